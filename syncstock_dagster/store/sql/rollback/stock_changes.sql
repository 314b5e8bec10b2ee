-- What a rollback does to stock: before and after. Grain: article and location.
select e.inventory_id, p.sku, l.code as location, s.on_hand - e.delta as before, s.on_hand as after
from (
  select r.inventory_id, r.location_id, sum(r.delta) as delta
  from run_entries as r
  group by r.inventory_id, r.location_id) as e
join item_stock as s using (inventory_id, location_id)
join products as p using (inventory_id)
join locations as l using (location_id)
order by e.inventory_id, l.code
