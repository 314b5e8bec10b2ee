-- Slips of the pen: two digits swapped, a digit too many or too few, counted twice, or a zero for what nobody counted.
-- Grain: count and cause.
insert into cause_findings
select a.count_id, f.cause, f.score, jsonb_build_object('counted', trim_scale(a.counted), 'expected', trim_scale(a.expected))
from cause_counts as a
cross join lateral (
  select trim_scale(a.counted)::text as counted, trim_scale(a.expected)::text as expected) as t
cross join lateral (
  select 'digits_swapped' as cause, 0.7 as score
  where length(t.counted) = length(t.expected) and a.variance % 9 = 0 and exists (
    select from generate_series(1, length(t.counted) - 1) as k (n)
    where overlay(t.counted placing reverse(substr(t.counted, k.n, 2)) from k.n for 2) = t.expected)
  union all
  select 'digit_slipped', 0.5
  where length(t.counted) = length(t.expected) + 1 and exists (
      select from generate_series(1, length(t.counted)) as k (n)
      where overlay(t.counted placing '' from k.n for 1) = t.expected)
    or length(t.expected) = length(t.counted) + 1 and exists (
      select from generate_series(1, length(t.expected)) as k (n)
      where overlay(t.expected placing '' from k.n for 1) = t.counted)
  union all
  select 'counted_twice', 0.45 where a.counted = 2 * a.expected
  union all
  select 'counted_as_none', 0.35 where a.counted = 0) as f
where a.counted >= 0 and a.expected > 0 and a.counted = trunc(a.counted) and a.expected = trunc(a.expected)
  and a.expected < 1000000000 and a.counted < 10000000000
