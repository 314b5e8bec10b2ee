-- The article of each code that has exactly one. Grain: code.
select w.code, coalesce(p.inventory_id, i.inventory_id) as inventory_id
from unnest(%(codes)s::text[]) as w (code)
left join products as p on p.sku = w.code
left join lateral (
  select min(x.inventory_id) as inventory_id
  from (
    select c.inventory_id from product_identifiers as c
    where c.identifier = w.code and (%(system)s::text is null or c.system = %(system)s::text)
    union
    select c.inventory_id from product_identifiers as c
    where c.system = 'gtin' and coalesce(%(system)s::text, 'gtin') = 'gtin'
      and length(w.code) between 8 and 14 and lpad(c.identifier, 14, '0') = lpad(w.code, 14, '0')) as x
  having count(*) = 1) as i on p.inventory_id is null
where coalesce(p.inventory_id, i.inventory_id) is not null
