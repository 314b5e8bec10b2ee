-- A person's verdict on held counts, with what it was given on; it holds for every copy that says the same of the
-- same slot. Grain: count.
with copies as (
  select distinct c.*
  from stock_counts as n
  join stock_counts as c
    on (c.inventory_id, c.location_id, c.counted_at, c.source_id, c.quantity)
       = (n.inventory_id, n.location_id, n.counted_at, n.source_id, n.quantity)
    and c.session is not distinct from n.session and c.room is not distinct from n.room
  where n.count_id = any(%(count_ids)s::bigint[])
    and c.withdrawn_by is null and c.decision::text = any(%(from_decisions)s::text[])),
asked as (
  select c.count_id, c.quantity, b.book - coalesce(p.variance, 0) as expected, r.stamp
  from copies as c
  join run_books as b using (inventory_id, location_id, counted_at)
  join run_pairs as r using (inventory_id, location_id)
  left join count_points as p
    on p.inventory_id = c.inventory_id and p.location_id = c.location_id
    and p.counted_at = c.counted_at and p.recorded_to = 'infinity'),
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
