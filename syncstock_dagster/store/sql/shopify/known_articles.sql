-- The article that each variant is: by its id, else by its SKU, whatever the case, where one has it. Grain: variant.
with asked as (
  select r.* from jsonb_to_recordset(%(variants)s::jsonb) as r (variant_id text, sku text)),
found as (
  select a.variant_id, coalesce(i.inventory_id, s.inventory_id) as inventory_id, i.inventory_id is not null as is_by_id
  from asked as a
  left join product_identifiers as i on i.system = %(system)s and i.identifier = a.variant_id
  left join lateral (
    select min(p.inventory_id) as inventory_id
    from products as p
    where lower(btrim(p.sku)) = lower(btrim(a.sku)) and i.inventory_id is null
    having count(*) = 1) as s on true)
select f.variant_id, f.inventory_id, f.is_by_id, p.sku,
       array(select c.identifier from product_identifiers as c
             where c.inventory_id = f.inventory_id and c.system in ('gtin', 'barcode')) as codes,
       array(select c.identifier from product_identifiers as c
             where c.inventory_id = f.inventory_id and c.system = 'gtin') as gtin,
       array(select c.identifier from product_identifiers as c
             where c.inventory_id = f.inventory_id and c.system = 'barcode') as barcode
from found as f
join products as p using (inventory_id)
