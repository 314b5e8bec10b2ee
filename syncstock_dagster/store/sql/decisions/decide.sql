-- A person's verdict on held counts, with what it was given on. Grain: count.
with asked as (
  select c.count_id, c.quantity, b.book - coalesce(p.variance, 0) as expected, r.stamp
  from stock_counts as c
  join run_books as b using (inventory_id, location_id, counted_at)
  join run_pairs as r using (inventory_id, location_id)
  left join count_points as p
    on p.inventory_id = c.inventory_id and p.location_id = c.location_id
    and p.counted_at = c.counted_at and p.recorded_to = 'infinity'
  where c.count_id = any(%(count_ids)s::bigint[]) and c.withdrawn_by is null
    and c.decision::text = any(%(from_decisions)s::text[])),
decided as (
  update stock_counts as c
  set decision = %(decision)s::count_decision, standing = 'none'
  from asked as a
  where c.count_id = a.count_id)
insert into decisions
  (count_id, decision, tier, counted, expected, decided_by, reason, digest, decided_at, operation_id)
select a.count_id, %(decision)s, case when abs(a.quantity - a.expected) > 0 then 'held' else 'tolerance' end,
       a.quantity, a.expected, %(who)s, %(reason)s,
       md5(trim_scale(a.quantity) || ' ' || trim_scale(a.expected)), a.stamp, %(operation_id)s
from asked as a
order by a.count_id
