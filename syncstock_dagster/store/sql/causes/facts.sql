-- What is known about each variance: what moved between the counts, what came late, and what may or may not have been
-- seen. Grain: count.
select a.count_id, a.inventory_id, a.sku, l.code as location, a.counted_at, a.counted, a.expected, a.variance, a.value,
       a.tier, a.status, a.previous_at, a.previous_counted, coalesce(b.rows, 0)::int as movements_between,
       coalesce(b.quantity, 0) as moved_between, coalesce(b.late_rows, 0)::int as late_rows,
       coalesce(b.late_quantity, 0) as late_quantity, coalesce(t.window_rows, 0)::int as window_rows,
       coalesce(t.window_quantity, 0) as window_quantity, coalesce(t.day_rows, 0)::int as day_rows,
       coalesce(t.day_quantity, 0) as day_quantity
from cause_counts as a
join locations as l using (location_id)
left join lateral (
  select sum(e.events) as rows, sum(e.delta) as quantity,
         count(*) filter (where e.recorded_at > a.first_recorded) as late_rows,
         sum(e.delta) filter (where e.recorded_at > a.first_recorded) as late_quantity
  from ledger_entries as e
  where e.inventory_id = a.inventory_id and e.location_id = a.location_id and e.entry_type = 'movement'
    and e.effective_at > coalesce(a.previous_at, '-infinity') and e.effective_at <= a.counted_at) as b on true
left join lateral (
  select count(*) filter (where not m.day_grain) as window_rows,
         sum(m.quantity) filter (where not m.day_grain) as window_quantity,
         count(*) filter (where m.day_grain) as day_rows, sum(m.quantity) filter (where m.day_grain) as day_quantity
  from ledger_entries as e
  join movements as m on m.movement_id = e.movement_id
  where e.inventory_id = a.inventory_id and e.location_id = a.location_id
    and e.effective_at >= least(a.counted_from, (a.day::timestamp at time zone a.timezone) - interval '3 hours')
    and e.effective_at < (a.day::timestamp at time zone a.timezone) + interval '27 hours'
    and e.events = 1 and m.state = 'in_force' and not m.advisory
    and ((m.day_grain and m.day = a.day)
         or (not m.day_grain and m.effective_at > a.counted_from and m.effective_at <= a.counted_at))) as t on true
order by abs(a.variance) desc, a.count_id
