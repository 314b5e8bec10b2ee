-- As many are missing here as there are too many elsewhere: of the same article at another location (a transfer that
-- nobody wrote down), or of a sibling here (the one counted or sold as the other). Where many fit, each says less.
-- Grain: count and cause, the nearest.
insert into cause_findings
select a.count_id, 'opposite_location', case when o.apart <= interval '1 day' then 0.9 else 0.7 end,
       jsonb_build_object(
         'location', l.code, 'variance', trim_scale(-a.variance), 'count_id', o.count_id,
         'counted_at', to_char(o.counted_at at time zone a.timezone, 'YYYY-MM-DD HH24:MI'))
from cause_counts as a
cross join lateral (
  select b.count_id, b.location_id, b.counted_at, greatest(b.counted_at - a.counted_at, a.counted_at - b.counted_at) as apart
  from cause_pool as b
  where b.inventory_id = a.inventory_id and b.variance = -a.variance and b.location_id <> a.location_id
    and b.counted_at between a.counted_at - interval '7 days' and a.counted_at + interval '7 days'
  order by apart, b.count_id
  limit 1) as o
join locations as l on l.location_id = o.location_id
union all
select a.count_id, 'opposite_article',
       round(case o.kin when 'style' then 0.85 when 'category' then 0.75 else 0.6 end / (0.7 + 0.3 * o.fitting), 3),
       jsonb_build_object(
         'sku', o.sku, 'variance', trim_scale(-a.variance), 'count_id', o.count_id, 'fitting', o.fitting, 'kin', o.kin)
from cause_counts as a
cross join lateral (
  select f.*, count(*) over (partition by f.kin) as fitting
  from (
    (select b.count_id, b.inventory_id, b.sku, b.counted_at, 'style' as kin, 1 as nearness
     from cause_pool as b
     where b.location_id = a.location_id and b.style = a.style and b.variance = -a.variance
     limit 20)
    union all
    (select b.count_id, b.inventory_id, b.sku, b.counted_at, 'category', 2
     from cause_pool as b
     where b.location_id = a.location_id and b.category_id = a.category_id and b.variance = -a.variance
     limit 20)
    union all
    select b.count_id, b.inventory_id, b.sku, b.counted_at, 'sheet', 3
    from cause_pool as b
    where b.delivery_id = a.delivery_id and b.position between a.position - 3 and a.position + 3
      and b.location_id = a.location_id and b.variance = -a.variance) as f
  where f.inventory_id <> a.inventory_id
    and f.counted_at between a.counted_at - interval '2 days' and a.counted_at + interval '2 days'
  order by f.nearness, greatest(f.counted_at - a.counted_at, a.counted_at - f.counted_at), f.count_id
  limit 1) as o
