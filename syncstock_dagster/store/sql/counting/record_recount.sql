-- A recount. Grain: recount.
insert into recounts (location_id, counters, tolerance, counts_from, reason, created_by, operation_id)
select location_id, %(counters)s, %(tolerance)s,
       coalesce(%(since)s, day_start((now() at time zone timezone)::date, timezone)), %(reason)s, %(who)s,
       %(operation_id)s
from locations
where code = %(location)s
returning recount_id
