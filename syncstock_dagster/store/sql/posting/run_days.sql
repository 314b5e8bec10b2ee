-- First and last instant of each local day that rows stand on, or that is asked for, and its offset from UTC where
-- that is one: a day's rows then need no time zone conversion each. Grain: day and zone.
insert into run_days
select e.day, e.timezone, e.first_instant, e.last_instant,
       case when e.first_offset = e.last_offset then e.first_offset end
from (
  select d.day, d.timezone, x.first_instant, x.last_instant,
         (x.first_instant at time zone d.timezone) - (x.first_instant at time zone 'UTC') as first_offset,
         (x.last_instant at time zone d.timezone) - (x.last_instant at time zone 'UTC') as last_offset
  from (
    select distinct coalesce(r.day, r.effective_local::date) as day, l.timezone
    from raw_movements as r
    join run_locations as l on l.code = coalesce(r.location, %(default_location)s)
    where r.effective_at is null
    union
    select a.day, a.timezone from unnest(%(days)s::date[], %(zones)s::text[]) as a (day, timezone)
  ) as d
  cross join lateral (
    select day_start(d.day, d.timezone) as first_instant, day_end(d.day, d.timezone) as last_instant offset 0
  ) as x
) as e
on conflict do nothing
