-- The count says what the book said some time before it, or would say without what went out: what moved since then was
-- not written off yet. Whole days say more than a moment in between. Grain: count, the best such moment.
insert into cause_findings
with sums as (
  select m.count_id, m.effective_at, m.day, m.day is distinct from lag(m.day) over older as is_whole_day,
         sum(m.delta) over younger as moved, sum(m.delta_out) over younger as moved_out
  from cause_moves as m
  where m.is_before
  window older as (partition by m.count_id order by m.effective_at),
         younger as (partition by m.count_id order by m.effective_at desc)),
matches as (
  select a.count_id, s.effective_at, x.moved, x.is_net, a.timezone, a.day - s.day as days, s.is_whole_day,
         case when not x.is_net then 0.75
              when s.is_whole_day and s.day = a.day then 0.95
              when s.is_whole_day then 0.85 - 0.02 * (a.day - s.day)
              else 0.6 end as score
  from sums as s
  join cause_counts as a using (count_id)
  cross join lateral (values (s.moved, true), (s.moved_out, false)) as x (moved, is_net)
  where a.variance = -x.moved and (x.is_net or (s.is_whole_day and s.moved <> s.moved_out)))
select distinct on (count_id) count_id, 'not_written_off', score,
       jsonb_build_object(
         'moved', trim_scale(moved), 'since', to_char(effective_at at time zone timezone, 'YYYY-MM-DD HH24:MI'),
         'only_out', not is_net)
from matches
order by count_id, score desc, effective_at desc
