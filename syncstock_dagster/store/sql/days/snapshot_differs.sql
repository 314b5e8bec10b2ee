-- Closing balances that are not the sum of the ledger (laws L3 and L4). Grain: article, location and day on which the
-- two part. Compared are the balance before the first day, and then every day's change.
with bounds as (
  select coalesce(%(first)s::date, (select min(valid_from) from stock_ranges), current_date) as first_day,
         coalesce(%(last)s::date, current_date + 2) as last_day),
places as (  -- with the last microsecond of the day before, and of each day
  select l.location_id, b.first_day, max(d.ends) as ends,
         array_agg(d.ends + interval '1 microsecond' order by d.ends) as days
  from locations as l
  cross join bounds as b
  cross join lateral (
    select day_end(g.day::date, l.timezone) as ends
    from generate_series(b.first_day - 1, b.last_day, interval '1 day') as g (day)) as d
  group by l.location_id, b.first_day),
ledger as (
  select e.inventory_id, e.location_id, p.first_day - 1 + width_bucket(e.effective_at, p.days) as day,
         sum(e.delta) as delta
  from ledger_entries as e
  join places as p using (location_id)
  where e.effective_at <= p.ends
  group by 1, 2, 3),
ranges as (
  select r.inventory_id, r.location_id, greatest(r.valid_from, b.first_day - 1) as day,
         r.on_hand - coalesce(lag(r.on_hand) over (
           partition by r.inventory_id, r.location_id order by r.valid_from), 0) as delta
  from stock_ranges as r
  cross join bounds as b
  where r.valid_to >= b.first_day and r.valid_from <= b.last_day)
select inventory_id, p.sku, l.code as location, day, coalesce(r.delta, 0) as snapshot_change,
       coalesce(e.delta, 0) as ledger_change
from ledger as e
full join ranges as r using (inventory_id, location_id, day)
join locations as l using (location_id)
left join products as p using (inventory_id)
cross join bounds as b
where coalesce(r.delta, 0) <> coalesce(e.delta, 0) and day <= b.last_day
order by day, inventory_id, location
