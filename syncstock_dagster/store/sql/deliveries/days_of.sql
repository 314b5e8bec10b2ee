-- The business days on which rows stand, each in the zone of its location; an unknown location's day is that of UTC.
-- Grain: day. Instants come in pieces of a quarter of an hour, which never lie on two days.
select case
         when given.instant is null then given.local_day
         else (given.instant at time zone coalesce(l.timezone, 'UTC'))::date end as day,
       sum(given.row_count)::int as row_count
from unnest(%(locations)s::text[], %(instants)s::timestamptz[], %(local_days)s::date[], %(row_counts)s::int[])
  as given (location, instant, local_day, row_count)
left join locations as l on l.code = given.location
group by 1
order by 1
