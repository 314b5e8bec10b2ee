-- Locations that cannot be closed for the day, and why. Today may be closed: a shop closes in the evening.
-- Grain: location.
select l.code, 'the day has not begun there' as why
from locations as l
where (%(locations)s::text[] is null or l.code = any(%(locations)s::text[]))
  and (now() at time zone l.timezone)::date < %(day)s::date
union all
select asked.code, 'there is no such location'
from unnest(%(locations)s::text[]) as asked (code)
where not exists (select from locations as l where l.code = asked.code)
