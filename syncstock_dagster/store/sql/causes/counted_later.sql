-- The count says what the book says some time after it, within a day: it was made later than it says. Grain: count, the
-- first such moment.
insert into cause_findings
with sums as (
  select m.count_id, m.effective_at, m.day, m.day is distinct from lead(m.day) over older as is_whole_day,
         sum(m.delta) over older as moved
  from cause_moves as m
  where not m.is_before
  window older as (partition by m.count_id order by m.effective_at))
select distinct on (a.count_id) a.count_id, 'counted_later',
       case when s.is_whole_day and s.day = a.day then 0.7 else 0.5 end,
       jsonb_build_object(
         'moved', trim_scale(s.moved), 'until', to_char(s.effective_at at time zone a.timezone, 'YYYY-MM-DD HH24:MI'))
from sums as s
join cause_counts as a using (count_id)
where a.variance = s.moved
order by a.count_id, s.effective_at
