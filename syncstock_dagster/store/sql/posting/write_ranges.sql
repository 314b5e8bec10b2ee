-- Lay the changes of this run over the stored closing balances: old balances are turned into daily steps, the
-- changes are added, and the running sum gives the new ranges. Rewritten only from the first changed day to the
-- last, or to the end where stock itself changed. What changes on published days is logged (law L12).
-- Grain: article, location and run of days.
with bounds as (
  select inventory_id, location_id, min(day) as first_day, max(day) as last_day, sum(delta) as net
  from run_day_deltas
  group by inventory_id, location_id),
stored as (
  select r.inventory_id, r.location_id, r.valid_from, r.valid_to, r.on_hand,
         r.on_hand - coalesce(lag(r.on_hand) over (
           partition by r.inventory_id, r.location_id order by r.valid_from), 0) as step
  from bounds as b
  -- Ranges follow each other without a gap: the last that begins before the first changed day reaches up to it.
  cross join lateral (
    select
      coalesce((
        select p.valid_from from stock_ranges as p
        where p.inventory_id = b.inventory_id and p.location_id = b.location_id and p.valid_from < b.first_day
        order by p.valid_from desc
        limit 1), '-infinity') as valid_from,
      (select min(p.valid_from) from stock_ranges as p
       where p.inventory_id = b.inventory_id and p.location_id = b.location_id) as begun
    offset 0) as first
  cross join lateral (
    select x.inventory_id, x.location_id, x.valid_from, x.valid_to, x.on_hand
    from stock_ranges as x
    where x.inventory_id = b.inventory_id and x.location_id = b.location_id
      and x.valid_from >= first.valid_from
      -- Where stock stays, up to the last changed day; or to the first range, if the change comes before it.
      and x.valid_from <= case when b.net <> 0 then 'infinity' else greatest(b.last_day, first.begun) end
    order by x.valid_from
    offset 0  -- or the planner reads and hashes the whole table
  ) as r),
merged as (
  select inventory_id, location_id, day, coalesce(s.step, 0) as old_step, coalesce(d.delta, 0) as change,
         s.valid_to as old_valid_to, s.on_hand as old_on_hand  -- null: no range began here
  from (select inventory_id, location_id, valid_from as day, valid_to, on_hand, step from stored) as s
  full join run_day_deltas as d using (inventory_id, location_id, day)),
running as (
  select inventory_id, location_id, day, old_step, old_valid_to, old_on_hand,
         old_valid_to is not null as was_stored, sum(old_step + change) over pair as new_value,
         -- A range begins where the balance changes, and on the first day of all.
         old_step + change <> 0 or row_number() over pair = 1 as begins
  from merged
  window pair as (partition by inventory_id, location_id order by day)),
ends as (
  select inventory_id, location_id, max(valid_to) as valid_to
  from stored
  group by inventory_id, location_id),
fresh as (
  select k.inventory_id, k.location_id, k.day as valid_from, k.new_value as on_hand, k.was_stored, k.old_valid_to,
         k.old_on_hand,
         coalesce(
           lead(k.day) over (partition by k.inventory_id, k.location_id order by k.day),
           e.valid_to, 'infinity') as valid_to
  from running as k
  left join ends as e using (inventory_id, location_id)
  where k.begins),
gone as (
  delete from stock_ranges as r
  using running as k
  where (r.inventory_id, r.location_id, r.valid_from) = (k.inventory_id, k.location_id, k.day)
    and k.was_stored and not k.begins),
kept as (
  update stock_ranges as r
  set valid_to = f.valid_to, on_hand = f.on_hand
  from fresh as f
  where (r.inventory_id, r.location_id, r.valid_from) = (f.inventory_id, f.location_id, f.valid_from)
    and f.was_stored and (f.valid_to, f.on_hand) is distinct from (f.old_valid_to, f.old_on_hand)),
restated as (
  insert into restatements
    (kind, inventory_id, location_id, first_day, last_day, old_value, new_value, recorded_at, operation_id,
     caused_by)
  select 'snapshot', c.inventory_id, c.location_id, c.day, least(c.last_day, l.published_through), c.old_value,
         c.new_value, p.stamp, %(operation_id)s,
         array(
           select x.entry_id from ledger_entries as x
           where x.inventory_id = c.inventory_id and x.location_id = c.location_id
             and x.operation_id = %(operation_id)s
             and closing_day(x.effective_at, l.timezone) <= c.day
           order by x.entry_id)
  from (
    select *, coalesce(lead(day) over pair - 1, 'infinity') as last_day,
           case when bool_or(was_stored) over pair then sum(old_step) over pair end as old_value
    from running
    where location_id in (
      select p.location_id from run_locations as p where p.published_through is not null)
    window pair as (partition by inventory_id, location_id order by day)) as c
  join run_locations as l using (location_id)
  join run_pairs as p using (inventory_id, location_id)
  where c.new_value is distinct from c.old_value and c.day <= l.published_through
  order by c.inventory_id, c.location_id, c.day)
insert into stock_ranges (inventory_id, location_id, valid_from, valid_to, on_hand)
select f.inventory_id, f.location_id, f.valid_from, f.valid_to, f.on_hand
from fresh as f
where not f.was_stored
order by f.inventory_id, f.location_id, f.valid_from
