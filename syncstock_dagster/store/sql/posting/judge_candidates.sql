-- The gate (law L9): each candidate against what the book says at its instant, given the verdicts on the
-- candidates before it. carried is by how much those move the balance until the next count in force.
-- The first count of an article at a location is its opening. Grain: candidate.
insert into run_verdicts
with recursive judged as (
  select k.inventory_id, k.location_id, k.counted_at, k.source_id, k.session, k.rank, k.count_ids, k.quantity,
         k.vetoed, k.segment_after, v.expected, v.tier, v.carried, v.is_applied
  from run_candidates as k
  join run_books as b using (inventory_id, location_id, counted_at)
  cross join lateral (
    select b.book - k.point_variance as expected) as x
  cross join lateral (
    select case
      when k.segment_before is null then 'opening'
      when k.vetoed is not null then 'rule'
      when abs(k.quantity - x.expected) > k.hold_above then 'held'
      when abs(k.quantity - x.expected) >= k.review_from then 'review'
      else 'tolerance' end as tier) as t
  cross join lateral (
    select x.expected, t.tier, t.tier not in ('held', 'rule') as is_applied,
           case when t.tier not in ('held', 'rule') then k.quantity - b.book else 0 end as carried) as v
  where k.rank = 1
  union all
  select k.inventory_id, k.location_id, k.counted_at, k.source_id, k.session, k.rank, k.count_ids, k.quantity,
         k.vetoed, k.segment_after, v.expected, v.tier, v.carried, v.has_applied
  from judged as j
  join run_candidates as k
    on k.inventory_id = j.inventory_id and k.location_id = j.location_id and k.rank = j.rank + 1
  join run_books as b
    on (b.inventory_id, b.location_id, b.counted_at) = (k.inventory_id, k.location_id, k.counted_at)
  cross join lateral (
    select case when k.segment_before is not distinct from j.segment_after
                  or k.counted_at = j.counted_at then j.carried else 0 end as brought) as c
  cross join lateral (
    select b.book - k.point_variance + c.brought as expected) as x
  cross join lateral (
    select case
      when k.segment_before is null and not j.is_applied then 'opening'
      when k.vetoed is not null then 'rule'
      when abs(k.quantity - x.expected) > k.hold_above then 'held'
      when abs(k.quantity - x.expected) >= k.review_from then 'review'
      else 'tolerance' end as tier) as t
  cross join lateral (
    select x.expected, t.tier, j.is_applied or t.tier not in ('held', 'rule') as has_applied,
           case
             when t.tier not in ('held', 'rule') then k.quantity - b.book
             when k.segment_after = k.counted_at then 0
             else c.brought end as carried) as v)
select inventory_id, location_id, counted_at, source_id, session, count_ids, quantity, expected, tier, vetoed
from judged
