-- The change of each business day's closing balance begins on the day of the entry. Grain: article, location,
-- day; a day whose entries cancel out stays, for it may be the first with anything on it. The offset from UTC is
-- looked up once a day and location; only entries on a day on which a clock was changed are converted one by one.
insert into run_day_deltas
with offsets as materialized (
  select d.location_id, d.utc_day, l.timezone, case when o.at_start = o.at_end then o.at_start end as utc_offset
  from (
    -- Collected and laid out again: the planner then knows that these are few.
    select location_id, unnest(array_agg(utc_day)) as utc_day
    from (select distinct location_id, effective_at::date as utc_day from run_entries) as x
    group by location_id) as d
  join run_locations as l using (location_id)
  cross join lateral (
    select (d.utc_day::timestamptz at time zone l.timezone) - d.utc_day as at_start,
           ((d.utc_day + 1)::timestamptz at time zone l.timezone) - (d.utc_day + 1) as at_end
    offset 0
  ) as o)
select e.inventory_id, e.location_id,
       coalesce((e.effective_at::timestamp + o.utc_offset)::date, closing_day(e.effective_at, o.timezone)),
       sum(e.delta)
from run_entries as e
join offsets as o on o.location_id = e.location_id and o.utc_day = e.effective_at::date
group by 1, 2, 3
