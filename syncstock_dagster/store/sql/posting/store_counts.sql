-- Counts of this run become evidence. Grain: counted line.
insert into stock_counts
  (count_id, delivery_id, position, inventory_id, location_id, source_id, decision, standing, counted_at,
   counted_from, day_grain, quantity, session, room, counter, remark)
select count_id, delivery_id, position, inventory_id, location_id, source_id, decision, standing, counted_at,
       counted_from, day_grain, quantity, session, room, counter, remark
from run_counts
order by inventory_id, location_id, counted_at
