-- First and last instant of each local day that a row is known by. Grain: day and zone.
insert into run_days
select d.day, d.timezone, day_start(d.day, d.timezone), day_end(d.day, d.timezone)
from (
  select distinct r.day, l.timezone
  from raw_movements as r
  join run_locations as l on l.code = coalesce(r.location, %(default_location)s)
  where r.day is not null
) as d
