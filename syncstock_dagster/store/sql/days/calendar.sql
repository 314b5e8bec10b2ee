-- The last day that is over everywhere, and the last one published everywhere. Grain: one row.
select min((now() at time zone l.timezone)::date) - 1 as over, min(c.day) as published
from locations as l
left join lateral (
  select max(x.day) as day from day_closes as x where x.location_id = l.location_id) as c on true
