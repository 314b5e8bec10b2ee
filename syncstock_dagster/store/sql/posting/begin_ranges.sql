-- Closing balances where none were stored: the sum of the changes so far, from each day on which it changes, and from
-- the first day of all. Grain: article, location and run of days.
with sums as (
  select d.inventory_id, d.location_id, d.day, sum(d.delta) over pair as on_hand,
         d.delta <> 0 or row_number() over pair = 1 as begins
  from run_day_deltas as d
  join run_pairs as p using (inventory_id, location_id)
  where p.begun is null
  window pair as (partition by d.inventory_id, d.location_id order by d.day))
insert into stock_ranges (inventory_id, location_id, valid_from, valid_to, on_hand)
select inventory_id, location_id, day,
       coalesce(lead(day) over (partition by inventory_id, location_id order by day), 'infinity'), on_hand
from sums
where begins
