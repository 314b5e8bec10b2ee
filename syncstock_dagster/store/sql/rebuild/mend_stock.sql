-- Stock that is not the sum of its entries. Grain: article and location.
insert into item_stock as s (inventory_id, location_id, on_hand, events, version, operation_id, recorded_at)
select e.inventory_id, e.location_id, sum(e.delta), sum(e.events), 1, %(operation_id)s, max(e.recorded_at)
from ledger_entries as e
group by e.inventory_id, e.location_id
on conflict (inventory_id, location_id) do update
  set on_hand = excluded.on_hand, events = excluded.events, version = s.version + 1,
      operation_id = excluded.operation_id, recorded_at = excluded.recorded_at, updated_at = clock_timestamp()
  where (s.on_hand, s.events) is distinct from (excluded.on_hand, excluded.events)
     or s.recorded_at < excluded.recorded_at
