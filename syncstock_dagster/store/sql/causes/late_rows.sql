-- Rows that came when the count was on record already, and carried the book away from it. Grain: count.
insert into cause_findings
select a.count_id, 'late_rows', case when a.variance + l.delta = 0 then 0.9 else round(0.3 + 0.4 * l.share, 3) end,
       jsonb_build_object(
         'rows', l.late_rows, 'quantity', trim_scale(l.delta), 'variance_without', trim_scale(a.variance + l.delta))
from cause_counts as a
join (
  select m.count_id, sum(m.delta_late) as delta, sum(m.late_rows) as late_rows
  from cause_moves as m
  where m.is_before
  group by m.count_id
  having sum(m.delta_late) <> 0) as s using (count_id)
cross join lateral (
  select s.delta, s.late_rows, 1 - abs(a.variance + s.delta) / abs(a.variance) as share) as l
where l.share > 0
