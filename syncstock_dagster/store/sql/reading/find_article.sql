-- Articles that a person's word may mean: the exact SKU or id first, then an identifier, then a SKU that
-- differs by case or blanks. Grain: product.
select inventory_id, sku, name
from (
  select p.inventory_id, p.sku, p.name, 1 as rank from products as p where p.sku = %(word)s
  union all
  select p.inventory_id, p.sku, p.name, 2 from products as p where p.inventory_id::text = %(word)s
  union all
  select p.inventory_id, p.sku, p.name, 3 from product_identifiers as i join products as p using (inventory_id)
  where i.identifier = %(word)s
  union all
  select p.inventory_id, p.sku, p.name, 4 from products as p
  where lower(btrim(p.sku)) = lower(btrim(%(word)s::text))
) as found
where rank = (
  select min(case
    when exists (select from products where sku = %(word)s) then 1
    when exists (select from products where inventory_id::text = %(word)s) then 2
    when exists (select from product_identifiers where identifier = %(word)s) then 3
    else 4 end))
order by sku
