-- Every location with its zone, the end of tomorrow there, and its last published day.
-- Grain: location.
insert into run_locations
select l.code, l.location_id, l.timezone,
       day_start((now() at time zone l.timezone)::date + 2, l.timezone),
       (select max(c.day) from day_closes as c where c.location_id = l.location_id)
from locations as l
