-- Other variances that may be the other side of one: of the same articles, of the same category or style, or from lines
-- beside it in its sheet, within a week. Grain: count.
create temp table cause_pool on commit drop as
with bounds as (
  select min(counted_at) - interval '7 days' as first_at, max(counted_at) + interval '7 days' as last_at
  from cause_counts),
relatives as (
  select inventory_id from cause_counts
  union
  select p.inventory_id from products as p
  where p.category_id in (select category_id from cause_counts)
  union
  select p.inventory_id from products as p
  where p.style in (select style from cause_counts)
  union
  select c.inventory_id
  from cause_counts as a
  cross join generate_series(-3, 3) as beside (lines)
  join stock_counts as c on c.delivery_id = a.delivery_id and c.position = a.position + beside.lines),
others as (
  select p.count_id, p.inventory_id, p.location_id, p.counted_at, p.variance
  from relatives as r
  cross join bounds as b
  join count_points as p on p.inventory_id = r.inventory_id and p.counted_at between b.first_at and b.last_at
  where p.recorded_to = 'infinity' and p.variance <> 0
    and exists (
      select from count_points as q
      where q.inventory_id = p.inventory_id and q.location_id = p.location_id
        and q.counted_at < p.counted_at and q.recorded_to = 'infinity')
  union
  select a.count_id, a.inventory_id, a.location_id, a.counted_at, a.variance
  from cause_counts as a
  union
  select c.count_id, c.inventory_id, c.location_id, c.counted_at, c.quantity - coalesce((
           select sum(e.delta) from ledger_entries as e
           where e.inventory_id = c.inventory_id and e.location_id = c.location_id
             and e.effective_at <= c.counted_at
             and not (e.effective_at = c.counted_at and e.entry_type = 'adjustment')), 0)
  from relatives as r
  cross join bounds as b
  join stock_counts as c on c.inventory_id = r.inventory_id and c.counted_at between b.first_at and b.last_at
  where c.decision = 'held' and c.withdrawn_by is null and c.standing <> 'superseded'
    and not exists (select from cause_counts as a where a.count_id = c.count_id))
select o.*, c.delivery_id, c.position, p.category_id, p.style, p.sku
from others as o
join stock_counts as c using (count_id)
left join products as p on p.inventory_id = o.inventory_id
