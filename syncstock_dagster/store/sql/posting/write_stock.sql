-- Stock is the sum of the ledger; the version rises once per operation. Grain: article and location.
update item_stock as s
set on_hand = s.on_hand + e.delta,
    events = s.events + e.events,
    version = s.version + case when s.operation_id = %(operation_id)s then 0 else 1 end,
    operation_id = %(operation_id)s,
    recorded_at = p.stamp,
    updated_at = clock_timestamp()
from (
  select inventory_id, location_id, sum(delta) as delta, sum(events) as events
  from run_entries
  where step = %(step)s
  group by inventory_id, location_id) as e
join run_pairs as p using (inventory_id, location_id)
where s.inventory_id = e.inventory_id and s.location_id = e.location_id
