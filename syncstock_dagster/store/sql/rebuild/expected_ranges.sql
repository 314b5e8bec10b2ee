-- Closing balances from the evidence alone. Grain: article, location and run of days.
create temp table expected_ranges on commit drop as
with days as (
  select e.inventory_id, e.location_id, closing_day(e.effective_at, l.timezone) as day,
         sum(e.delta) as delta
  from expected_entries as e
  join locations as l using (location_id)
  group by 1, 2, 3),
changing as (
  select inventory_id, location_id, day, sum(delta) over pair as on_hand
  from (
    select *, row_number() over (partition by inventory_id, location_id order by day) as n from days) as d
  where n = 1 or delta <> 0
  window pair as (partition by inventory_id, location_id order by day))
select inventory_id, location_id, day as valid_from,
       coalesce(lead(day) over (partition by inventory_id, location_id order by day), 'infinity') as valid_to,
       on_hand
from changing
