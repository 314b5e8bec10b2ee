-- Ranges before the first event in force go; their balance is zero. Grain: article, location and run of days.
with pairs as (
  select distinct inventory_id, location_id from run_day_deltas),
firsts as (
  select p.inventory_id, p.location_id, closing_day(f.effective_at, l.timezone) as first_day
  from pairs as p
  join run_locations as l using (location_id)
  left join lateral (
    select e.effective_at from ledger_entries as e
    where e.inventory_id = p.inventory_id and e.location_id = p.location_id
    group by e.effective_at
    having sum(e.events) > 0
    order by e.effective_at
    limit 1) as f on true),
gone as (
  delete from stock_ranges as r
  using firsts as f
  where r.inventory_id = f.inventory_id and r.location_id = f.location_id
    and r.valid_to <= coalesce(f.first_day, 'infinity'))
update stock_ranges as r
set valid_from = f.first_day
from firsts as f
where r.inventory_id = f.inventory_id and r.location_id = f.location_id
  and r.valid_from < f.first_day and r.valid_to > f.first_day
