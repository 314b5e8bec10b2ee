-- What every source says of one article, with its time: books, reservations, the last count in force, the last number of
-- a sheet, what masters report, what the sheets do not show yet, and what is held. Grain: location at which it is known.
with sheets as (
  select c.location_id, c.count_id, c.quantity, c.counted_at, c.decision::text as decision, d.name, d.received_at,
         s.name as source, row_number() over (
           partition by c.location_id order by c.counted_at desc, d.received_at desc, c.count_id desc) as n
  from stock_counts as c
  join deliveries as d using (delivery_id)
  join sources as s using (source_id)
  where c.inventory_id = %(inventory_id)s and c.withdrawn_by is null and s.name = any(%(sheet_sources)s)),
advisory as (
  select location_id, jsonb_agg(jsonb_build_object(
           'source', source, 'quantity', quantity, 'counted_at', counted_at) order by source) as levels
  from (
    select distinct on (c.location_id, s.name) c.location_id, s.name as source, c.quantity, c.counted_at
    from stock_counts as c
    join sources as s using (source_id)
    where c.inventory_id = %(inventory_id)s and c.withdrawn_by is null and c.decision = 'advisory'
    order by c.location_id, s.name, c.counted_at desc, c.count_id desc) as x
  group by location_id)
select l.code as location, l.timezone, s.on_hand, a.reserved, a.incoming, a.available, s.updated_at,
       p.counted_at, p.quantity as counted, p.source as count_source, p.variance as count_variance,
       h.quantity as sheet_says, h.counted_at as sheet_counted_at, h.received_at as sheet_received_at, h.name as sheet,
       h.decision as sheet_decision,
       coalesce(v.levels, '[]') as advisory,
       coalesce(u.deducted, 0) as pending, coalesce(u.updates, 0) as pending_updates,
       coalesce(k.held, 0) as held
from item_stock as s
join locations as l using (location_id)
join available_stock(array[s.inventory_id], array[s.location_id], null) as a
  on a.inventory_id = s.inventory_id and a.location_id = s.location_id
left join lateral (
  select p.counted_at, p.quantity, p.variance, o.name as source
  from count_points as p
  join stock_counts as c using (count_id)
  join sources as o using (source_id)
  where p.inventory_id = s.inventory_id and p.location_id = s.location_id and p.recorded_to = 'infinity'
  order by p.counted_at desc
  limit 1) as p on true
left join sheets as h on h.location_id = s.location_id and h.n = 1
left join advisory as v on v.location_id = s.location_id
left join lateral (
  select sum(x.deducted) as deducted, count(*) as updates
  from pending_excel_updates as x
  join movements as m using (movement_id)
  where x.inventory_id = s.inventory_id and x.location_id = s.location_id and x.closed_by is null
    and m.state = 'in_force') as u on true
left join lateral (
  select count(*) as held
  from stock_counts as c
  where c.inventory_id = s.inventory_id and c.location_id = s.location_id and c.decision = 'held'
    and c.withdrawn_by is null and c.standing = 'none') as k on true
where s.inventory_id = %(inventory_id)s and (%(location)s::text is null or l.code = %(location)s)
order by l.code
