-- The gate (law L9): each candidate against what the book says at its instant, given the verdicts on the
-- candidates before it. carried is by how much those move the balance: carried_in just before the instant, carried_out
-- from the instant until the next count in force. A candidate that is applied stands at its instant only if nobody
-- applied there spoke first (law L1). The first count of an article at a location is its opening. Grain: candidate.
insert into run_verdicts
with recursive judged as (
  select inventory_id, location_id, 0 as rank, null::timestamptz as counted_at, null::timestamptz as segment_after,
         false as is_preceded, false as is_any_applied, null::int as first_word, 0::numeric as carried_in,
         0::numeric as carried_out, null::numeric as expected, null as tier
  from run_candidates
  where rank = 1
  union all
  select k.inventory_id, k.location_id, k.rank, k.counted_at, k.segment_after,
         before.is_preceded, j.is_any_applied or v.is_applied,
         least(before.first_word, case when v.is_applied then k.word end),
         before.carried_in,
         case
           when v.is_applied and k.word <= coalesce(before.first_word, k.word) then k.quantity - b.book
           when before.is_same then j.carried_out
           when k.segment_after = k.counted_at then 0
           else before.carried_in end,
         x.expected, t.tier
  from judged as j
  join run_candidates as k
    on k.inventory_id = j.inventory_id and k.location_id = j.location_id and k.rank = j.rank + 1
  join run_books as b
    on (b.inventory_id, b.location_id, b.counted_at) = (k.inventory_id, k.location_id, k.counted_at)
  cross join lateral (
    select s.is_same,
           case when s.is_same then j.is_preceded else j.is_any_applied end as is_preceded,
           case when s.is_same then j.first_word else k.point_word end as first_word,
           case
             when s.is_same then j.carried_in
             when k.segment_before is not distinct from j.segment_after then j.carried_out
             else 0 end as carried_in
    from (select k.counted_at is not distinct from j.counted_at as is_same) as s) as before
  cross join lateral (
    select b.book - k.point_variance + before.carried_in as expected,
           k.quantity - b.book + k.point_variance - before.carried_in as variance
    offset 0) as x
  cross join lateral (
    select case
      when k.segment_before is null and not before.is_preceded then 'opening'
      when k.vetoed is not null then 'rule'
      else gate_tier(x.variance, x.expected, k.unit_value, k.limits) end as tier) as t
  cross join lateral (
    select t.tier in ('opening', 'tolerance', 'review') as is_applied) as v)
select k.inventory_id, k.location_id, k.counted_at, k.source_id, k.session, k.count_ids, k.quantity, j.expected,
       j.tier, k.vetoed
from judged as j
join run_candidates as k using (inventory_id, location_id, rank)
