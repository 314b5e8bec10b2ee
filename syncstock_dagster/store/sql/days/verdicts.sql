-- Counts of some days (null: of all), or some that are named, that are far from the books: to review, flagged, held or rejected; and how many
-- counts there were. Grain: count; first the one farthest from the books.
select j.day, l.code as location, p.sku, j.inventory_id, s.name as source, j.counted_at, j.counted, j.expected,
       j.variance, j.tier, j.value, j.status, j.count_id, count(*) over () as counts,
       count(*) over (partition by j.status) as of_status
from counts_judged(%(gates)s::jsonb, %(first)s::date, %(last)s::date, %(count_ids)s::bigint[]) as j
join locations as l using (location_id)
join sources as s using (source_id)
left join products as p on p.inventory_id = j.inventory_id
order by j.status in ('review', 'flagged', 'held', 'rejected') desc, abs(j.variance) desc, j.count_id
