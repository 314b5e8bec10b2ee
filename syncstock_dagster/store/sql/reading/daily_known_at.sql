-- Closing balances as they were known at an instant, from the ledger itself. Grain: day, article, location.
with days as (
  select e.inventory_id, e.location_id, closing_day(e.effective_at, l.timezone) as day,
         sum(e.delta) as delta, sum(e.events) as events
  from ledger_entries as e
  join locations as l using (location_id)
  where e.recorded_at <= %(known_at)s::timestamptz
  group by 1, 2, 3),
balances as (
  select inventory_id, location_id, day,
         sum(delta) over pair as on_hand,
         sum(events) over pair as events,
         coalesce(lead(day) over pair, 'infinity') as next_day
  from days
  window pair as (partition by inventory_id, location_id order by day)),
known as (
  select *, bool_or(events > 0) over (
    partition by inventory_id, location_id order by day) as has_begun
  from balances)
select d.day::date as day, k.inventory_id, l.code as location, k.on_hand
from known as k
join locations as l using (location_id)
cross join lateral generate_series(
  greatest(k.day, %(first)s::date), least(k.next_day - 1, %(last)s::date), interval '1 day') as d (day)
where k.has_begun and k.day <= %(last)s::date and k.next_day > %(first)s::date
order by 1, 2, 3
