-- The entries of this step, in key order. Grain: entry.
insert into ledger_entries
  (inventory_id, location_id, effective_at, recorded_at, operation_id, movement_id, entry_type, events,
   source_id, delta, reason)
select e.inventory_id, e.location_id, e.effective_at, p.stamp, %(operation_id)s, e.movement_id, e.entry_type,
       e.events, e.source_id, e.delta, e.reason
from run_entries as e
join run_pairs as p using (inventory_id, location_id)
where e.step = %(step)s
order by e.inventory_id, e.location_id, e.effective_at, e.entry_type
