-- Movements that the count may or may not have seen could explain it: those known only by its day, and those within the
-- time that counting took (law L8). Grain: count.
insert into cause_findings
with doubtful as (
  select a.count_id, m.day_grain, sum(x.swing) as swing, sum(least(x.swing, 0)) as low, sum(greatest(x.swing, 0)) as high,
         count(*) as rows
  from cause_counts as a
  join ledger_entries as e on e.inventory_id = a.inventory_id and e.location_id = a.location_id
    and e.effective_at >= least(a.counted_from, (a.day::timestamp at time zone a.timezone) - interval '3 hours')
    and e.effective_at < (a.day::timestamp at time zone a.timezone) + interval '27 hours'
  join movements as m on m.movement_id = e.movement_id
  cross join lateral (
    select case when m.effective_at <= a.counted_at then m.quantity else -m.quantity end as swing) as x
  where e.events = 1 and m.state = 'in_force' and not m.advisory
    and ((m.day_grain and m.day = a.day)
         or (not m.day_grain and m.effective_at > a.counted_from and m.effective_at <= a.counted_at))
  group by a.count_id, m.day_grain)
select a.count_id, case when d.day_grain then 'day_rows' else 'counting_time' end,
       case when a.variance + d.swing = 0 then 0.8 else 0.5 end,
       jsonb_build_object(
         'rows', d.rows, 'quantity', trim_scale(abs(d.swing)), 'low', trim_scale(a.variance + d.low),
         'high', trim_scale(a.variance + d.high))
from doubtful as d
join cause_counts as a using (count_id)
where a.variance + d.low <= 0 and a.variance + d.high >= 0
