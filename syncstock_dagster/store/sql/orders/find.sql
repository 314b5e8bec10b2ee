-- An order by its reference: its operation, its state, whether a count in force contains any of its lines by now, the
-- operation that brought its goods back, and an instant after every count of its articles. Grain: at most one row.
select o.operation_uuid::text, d.state::text, coalesce(l.counted_since, false),
       (select b.operation_uuid::text
        from delivery_identities as k
        join deliveries as r using (delivery_id)
        join sync_operations as b on b.operation_id = r.operation_id
        where k.identity = 'key:' || %(return_key)s::text and r.state = 'posted'),
       coalesce(l.after_counts, clock_timestamp()), (o.statistics -> 'lines')::text
from delivery_identities as i
join deliveries as d using (delivery_id)
join sync_operations as o using (operation_id)
left join lateral (
  select bool_or(p.counted_at >= m.effective_at) as counted_since,
         greatest(clock_timestamp(), max(p.counted_at) + interval '1 microsecond') as after_counts
  from sources as s
  join movements as m on m.source_id = s.source_id and m.document_key = ':' || %(ref)s and m.state = 'in_force'
  left join lateral (
    select c.counted_at
    from count_points as c
    where c.inventory_id = m.inventory_id and c.location_id = m.location_id and c.recorded_to = 'infinity'
    order by c.counted_at desc
    limit 1) as p on true
  where s.name = 'orders') as l on true
where i.identity = 'order:' || %(ref)s::text
