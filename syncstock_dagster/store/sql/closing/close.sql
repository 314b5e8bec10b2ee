-- Publish a day, and with it all days before. Grain: location.
insert into day_closes (location_id, day, closed_at, operation_id)
select l.location_id, %(day)s::date, clock_timestamp(), %(operation_id)s
from locations as l
where %(locations)s::text[] is null or l.code = any(%(locations)s::text[])
order by l.location_id
on conflict do nothing
