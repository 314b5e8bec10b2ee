-- The second half of locking, in a statement of its own so that it sees rows that others just made. The stamp
-- is filled in by a later statement, whose clock is read after the locks. Grain: article and location.
insert into run_pairs (inventory_id, location_id, on_hand, stamp)
select s.inventory_id, s.location_id, s.on_hand, s.recorded_at
from item_stock as s
where (s.inventory_id, s.location_id) in (
  select inventory_id, location_id from run_entries
  union
  select inventory_id, location_id from run_counts
  union
  select inventory_id, location_id from run_count_keys)
order by s.inventory_id, s.location_id
for update of s
