-- Articles that a person's word may mean: the exact SKU or id first, then an identifier (a GTIN with more or fewer zeros
-- in front), then a SKU that differs by case or blanks. Grain: product.
with found as (
  select p.inventory_id, 1 as rank from products as p where p.sku = %(word)s::text
  union all
  select p.inventory_id, 2 from products as p
  where p.inventory_id = case when %(word)s::text ~ '^(0|[1-9][0-9]{0,17})$' then %(word)s::text::bigint end
  union all
  select i.inventory_id, 3 from product_identifiers as i where i.identifier = %(word)s::text
  union all
  select i.inventory_id, 3 from product_identifiers as i
  where i.system = 'gtin' and %(word)s::text ~ '^[0-9]{8,14}$'
    and lpad(i.identifier, 14, '0') = lpad(%(word)s::text, 14, '0')
  union all
  select p.inventory_id, 4 from products as p where lower(btrim(p.sku)) = lower(btrim(%(word)s::text)))
select p.inventory_id, p.sku, p.name
from products as p
where p.inventory_id in (
  select f.inventory_id from found as f where f.rank = (select min(o.rank) from found as o))
order by p.sku
