-- The stock rows are locked in key order, in a statement of its own so that it sees rows that others just made.
-- Whoever posts to the ledger takes these locks. The stamp is filled in by a later statement, whose clock is read after
-- the locks. Grain: article and location.
with locked as (
  select s.inventory_id, s.location_id, s.on_hand, s.recorded_at
  from item_stock as s
  where (s.inventory_id, s.location_id) in (select inventory_id, location_id from run_pairs)
  order by s.inventory_id, s.location_id
  for update of s)
update run_pairs as p
set on_hand = l.on_hand, stamp = l.recorded_at
from locked as l
where p.inventory_id = l.inventory_id and p.location_id = l.location_id
