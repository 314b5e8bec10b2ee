-- Instants at which the ledger sums to something else than a rebuild from the evidence would.
-- Grain: article, location, instant, type of entry.
select inventory_id, location_id, effective_at, entry_type, l.delta, e.delta as expected, l.events,
       e.events as expected_events
from expected_entries as e
full join (
  select inventory_id, location_id, effective_at, entry_type, sum(delta) as delta, sum(events) as events
  from ledger_entries
  group by 1, 2, 3, 4) as l using (inventory_id, location_id, effective_at, entry_type)
where (coalesce(l.delta, 0), coalesce(l.events, 0)) is distinct from
      (coalesce(e.delta, 0), coalesce(e.events, 0))
