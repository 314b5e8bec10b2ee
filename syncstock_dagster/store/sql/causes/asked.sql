-- The variances to be explained, each with the count before it. Openings and counts that agree have none. Grain: as in
-- counts_judged.
create temp table cause_counts on commit drop as
select j.count_id, j.inventory_id, j.location_id, j.source_id, c.delivery_id, c.position, j.counted_at, c.counted_from, j.day,
       l.timezone, j.counted, j.expected, j.variance, j.value, j.tier, j.status, p.sku, p.category_id, p.style,
       before.counted_at as previous_at, before.quantity as previous_counted,
       coalesce(first.recorded_at, d.recorded_at, d.posted_at, d.received_at) as first_recorded
from counts_judged(%(gates)s::jsonb, %(day)s::date, %(day)s::date, %(count_ids)s::bigint[]) as j
join stock_counts as c using (count_id)
join deliveries as d using (delivery_id)
join locations as l on l.location_id = j.location_id
left join products as p on p.inventory_id = j.inventory_id
left join lateral (
  select q.counted_at, q.quantity from count_points as q
  where q.inventory_id = j.inventory_id and q.location_id = j.location_id
    and q.counted_at < j.counted_at and q.recorded_to = 'infinity'
  order by q.counted_at desc
  limit 1) as before on true
cross join lateral (
  select min(q.recorded_from) as recorded_at from count_points as q
  where q.inventory_id = j.inventory_id and q.location_id = j.location_id and q.counted_at = j.counted_at) as first
where j.variance <> 0 and j.status <> 'opening'
  and (%(statuses)s::text[] is null or j.status = any(%(statuses)s::text[]))
