-- The last count in force of an article at each location, with the last verdict on it. Rooms that were summed are
-- one count. first_recorded is when a count at that instant first came into force. Grain: location.
with gates as materialized (
  select * from gates_in_effect(%(gates)s::jsonb))
select l.code as location, p.counted_at, p.quantity as counted, p.quantity - p.variance as expected, p.variance,
       p.count_id, s.name as source, d.name as delivery, d.received_at, c.session, slot.rooms, slot.counters, slot.remarks,
       c.counted_from, c.day_grain,
       v.tier, v.decided_by, v.reason as decision_reason, v.decided_at, first.recorded_at as first_recorded,
       count_status(
         case when is_first.yes then 'opening' else 'applied' end, v.decided_by, v.tier,
         present_tier(
           v.expected = p.quantity - p.variance and v.counted = p.quantity, v.tier, p.variance, p.quantity - p.variance,
           unit_value(a.cost, a.price),
           coalesce(of_article.limits, of_category.limits, of_source.limits))) as status
from item_stock as k
join locations as l using (location_id)
cross join lateral (
  select q.* from count_points as q
  where q.inventory_id = k.inventory_id and q.location_id = k.location_id and q.recorded_to = 'infinity'
  order by q.counted_at desc
  limit 1) as p
join stock_counts as c using (count_id)
join sources as s using (source_id)
join deliveries as d using (delivery_id)
cross join lateral (
  select min(q.recorded_from) as recorded_at from count_points as q
  where q.inventory_id = k.inventory_id and q.location_id = k.location_id
    and q.counted_at = p.counted_at) as first
cross join lateral (
  select count(distinct r.room) as rooms,
         string_agg(distinct r.counter, ', ' order by r.counter) as counters,
         string_agg(distinct r.remark, '; ' order by r.remark) as remarks
  from stock_counts as r
  where r.inventory_id = k.inventory_id and r.location_id = k.location_id and r.counted_at = p.counted_at
    and r.standing = 'in_force') as slot
left join lateral (
  select x.tier, x.decided_by, x.reason, x.decided_at, x.counted, x.expected from decisions as x
  where x.count_id = p.count_id
  order by x.decision_id desc
  limit 1) as v on true
cross join lateral (
  select not exists (
    select from count_points as e
    where e.inventory_id = p.inventory_id and e.location_id = p.location_id
      and e.counted_at < p.counted_at and e.recorded_to = 'infinity') as yes) as is_first
left join products as a on a.inventory_id = k.inventory_id
left join gates as of_source
  on of_source.source_id = c.source_id and of_source.category_id is null and of_source.inventory_id is null
left join gates as of_category on of_category.source_id = c.source_id and of_category.category_id = a.category_id
left join gates as of_article on of_article.source_id = c.source_id and of_article.inventory_id = k.inventory_id
where k.inventory_id = %(inventory_id)s
  and (%(location)s::text is null or l.code = %(location)s::text)
order by l.code
