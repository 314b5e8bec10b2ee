-- Levels that went out and are not on record as pushes yet, of articles that we know. Grain: level.
select distinct on (w.write_id) w.write_id, a.inventory_id, w.location, w.quantity_name, w.change_from, w.quantity,
       w.variant_id
from shopify_writes as w
left join lateral (
  select p.inventory_id
  from products as p
  where lower(btrim(p.sku)) = lower(btrim(w.sku))
  order by p.sku = w.sku desc, p.inventory_id
  limit 1) as a on true
where w.sync_id = %(sync_id)s and w.state = 'done' and w.operation_id is null
order by w.write_id
