-- Stock that is not the sum of its ledger entries. Grain: article and location.
select inventory_id, location_id, s.on_hand, s.events, e.on_hand as ledger_sum, e.events as ledger_events
from (
  select inventory_id, location_id, sum(delta) as on_hand, sum(events) as events
  from ledger_entries
  group by 1, 2) as e
full join item_stock as s using (inventory_id, location_id)
where (coalesce(s.on_hand, 0), coalesce(s.events, 0)) is distinct from
      (coalesce(e.on_hand, 0), coalesce(e.events, 0)::int)
