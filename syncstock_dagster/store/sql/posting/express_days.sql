-- The calendar of the days asked for, in microseconds since 1970; no offset on a day on which a clock was changed.
-- Grain: day and zone as asked, in their order.
select (extract(epoch from d.first_instant) * 1000000)::bigint,
       (extract(epoch from d.last_instant) * 1000000)::bigint,
       (extract(epoch from d.utc_offset) * 1000000)::bigint
from unnest(%(days)s::date[], %(zones)s::text[]) with ordinality as a (day, timezone, place)
join run_days as d using (day, timezone)
order by a.place
