-- What moved each article around its count: from the count before it, of two weeks at most, until a day after it.
-- Grain: count and instant.
create temp table cause_moves on commit drop as
select a.count_id, e.effective_at, (e.effective_at at time zone a.timezone)::date as day,
       e.effective_at <= a.counted_at as is_before, sum(e.delta) as delta,
       coalesce(sum(e.delta) filter (where e.delta < 0), 0) as delta_out,
       coalesce(sum(e.delta) filter (where e.recorded_at > a.first_recorded), 0) as delta_late,
       count(*) filter (where e.recorded_at > a.first_recorded) as late_rows
from cause_counts as a
join ledger_entries as e on e.inventory_id = a.inventory_id and e.location_id = a.location_id
  and e.effective_at > greatest(a.previous_at, a.counted_at - interval '14 days')
  and e.effective_at <= a.counted_at + interval '1 day'
where e.entry_type = 'movement'
group by a.count_id, a.counted_at, a.timezone, e.effective_at
