-- Articles whose very code was asked for: the SKU, a barcode or another system's code, the id, or a SKU that differs
-- by case or blanks. Grain: article, surest first.
select found.inventory_id
from (
  select p.inventory_id, 1 as doubt from products as p where p.sku = %(question)s::text
  union all
  select i.inventory_id, 2 from product_identifiers as i where i.identifier = %(question)s::text
  union all
  select i.inventory_id, 2 from product_identifiers as i  -- UPC and EAN differ by zeros in front
  where i.system = 'gtin' and %(question)s::text ~ '^[0-9]{8,14}$'
    and lpad(i.identifier, 14, '0') = lpad(%(question)s::text, 14, '0')
  union all
  select p.inventory_id, 3 from products as p
  where p.inventory_id = case when %(question)s::text ~ '^[0-9]{1,18}$' then %(question)s::text::bigint end
  union all
  select p.inventory_id, 4 from products as p where lower(btrim(p.sku)) = lower(%(question)s::text)
) as found
join findable_products(%(category)s::text, %(location)s::text, %(in_stock)s) as p using (inventory_id)
where %(few)s::bigint[] is null or p.inventory_id = any(%(few)s::bigint[])
group by found.inventory_id
order by min(found.doubt), found.inventory_id
limit %(width)s
