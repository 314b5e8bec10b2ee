-- Closing balances of published days that this run changes (law L12), before they are changed: from each changed day to
-- the next they move by the sum of the changes so far. Grain: article, location and run of days.
insert into restatements
  (kind, inventory_id, location_id, first_day, last_day, old_value, new_value, recorded_at, operation_id, caused_by)
with spans as (
  select d.inventory_id, d.location_id, d.day, coalesce(lead(d.day) over pair, 'infinity') as next_day,
         sum(d.delta) over pair as shift, l.published_through
  from run_day_deltas as d
  join run_locations as l using (location_id)
  where d.day <= l.published_through  -- null where nothing is
  window pair as (partition by d.inventory_id, d.location_id order by d.day)),
changes as (
  select s.inventory_id, s.location_id, greatest(r.valid_from, s.day) as day,
         least(r.valid_to - 1, s.next_day - 1, s.published_through) as last_day,
         r.on_hand as old_value, r.on_hand + s.shift as new_value
  from spans as s
  cross join lateral (
    select x.valid_from, x.valid_to, x.on_hand from stock_ranges as x
    where x.inventory_id = s.inventory_id and x.location_id = s.location_id
      and x.valid_from < s.next_day and x.valid_from <= s.published_through
      and x.valid_from >= coalesce((
        select max(b.valid_from) from stock_ranges as b
        where b.inventory_id = s.inventory_id and b.location_id = s.location_id and b.valid_from <= s.day), s.day)
    offset 0  -- or the planner reads and hashes the whole table
  ) as r
  where s.shift <> 0
  union all
  -- Nothing had been known before the first range.
  select s.inventory_id, s.location_id, s.day, least(p.begun - 1, s.next_day - 1, s.published_through), null, s.shift
  from spans as s
  join run_pairs as p using (inventory_id, location_id)
  where s.day < coalesce(p.begun, 'infinity'))
select 'snapshot', c.inventory_id, c.location_id, c.day, c.last_day, c.old_value, c.new_value, p.stamp,
       %(operation_id)s,
       array(
         select e.entry_id from ledger_entries as e
         where e.inventory_id = c.inventory_id and e.location_id = c.location_id
           and e.operation_id = %(operation_id)s and closing_day(e.effective_at, l.timezone) <= c.day
         order by e.entry_id)
from changes as c
join run_locations as l using (location_id)
join run_pairs as p using (inventory_id, location_id)
order by c.inventory_id, c.location_id, c.day
