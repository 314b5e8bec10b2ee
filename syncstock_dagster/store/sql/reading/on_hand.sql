-- Stock at an instant, as known at another; null means now, in both. A naive instant or a day is local to
-- each location. Articles without an event in force by then are absent. Grain: article and location.
select e.inventory_id, l.code as location, sum(e.delta) as on_hand
from ledger_entries as e
join locations as l using (location_id)
where e.effective_at <= coalesce(
        %(as_of)s::timestamptz, local_instant(%(as_of_local)s::timestamp, l.timezone),
        day_end(%(as_of_day)s::date, l.timezone), 'infinity')
  and (%(known_at)s::timestamptz is null or e.recorded_at <= %(known_at)s::timestamptz)
  and (%(inventory_ids)s::bigint[] is null or e.inventory_id = any(%(inventory_ids)s::bigint[]))
  and (%(locations)s::text[] is null or l.code = any(%(locations)s::text[]))
group by e.inventory_id, l.code
having sum(e.events) > 0
order by e.inventory_id, l.code
