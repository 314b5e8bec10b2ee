-- Locations whose zone PostgreSQL does not know. Grain: location.
select l.code, l.timezone
from locations as l
where not exists (select from pg_timezone_names as z where z.name = l.timezone)
