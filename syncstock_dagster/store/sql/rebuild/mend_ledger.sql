-- Where the ledger does not sum to the evidence, entries that make it so. Grain: entry.
insert into ledger_entries
  (inventory_id, location_id, effective_at, recorded_at, operation_id, entry_type, events, delta, reason)
select inventory_id, location_id, effective_at,
       greatest(clock_timestamp(), s.recorded_at + interval '1 microsecond'), %(operation_id)s, entry_type,
       coalesce(e.events, 0) - coalesce(l.events, 0), coalesce(e.delta, 0) - coalesce(l.delta, 0), 'repair'
from expected_entries as e
full join (
  select inventory_id, location_id, effective_at, entry_type, sum(delta) as delta, sum(events) as events
  from ledger_entries
  group by 1, 2, 3, 4) as l using (inventory_id, location_id, effective_at, entry_type)
left join item_stock as s using (inventory_id, location_id)
where (coalesce(l.delta, 0), coalesce(l.events, 0)) is distinct from
      (coalesce(e.delta, 0), coalesce(e.events, 0))
