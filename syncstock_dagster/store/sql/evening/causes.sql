-- What is known about the differences of some counts: what was sold between the count before and this one, and what came
-- late. Grain: count.
select c.count_id, b.counted_at as before, coalesce(m.sold, 0) as sold, coalesce(m.late, 0)::int as late,
       coalesce(m.late_quantity, 0) as late_quantity
from stock_counts as c
join deliveries as d using (delivery_id)
left join lateral (
  select p.counted_at
  from count_points as p
  where p.inventory_id = c.inventory_id and p.location_id = c.location_id and p.counted_at < c.counted_at
    and p.recorded_to = 'infinity'
  order by p.counted_at desc
  limit 1) as b on true
cross join lateral (
  select -sum(e.delta) filter (where e.reason in ('sale', 'return')) as sold,
         count(*) filter (where e.recorded_at > d.posted_at) as late,
         sum(e.delta) filter (where e.recorded_at > d.posted_at) as late_quantity
  from ledger_entries as e
  where e.inventory_id = c.inventory_id and e.location_id = c.location_id and e.entry_type = 'movement'
    and e.effective_at > coalesce(b.counted_at, '-infinity') and e.effective_at <= c.counted_at) as m
where c.count_id = any(%(count_ids)s::bigint[])
