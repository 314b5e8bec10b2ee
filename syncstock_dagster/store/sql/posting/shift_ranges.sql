-- Lay the changes of this run over the stored closing balances: ranges are cut at the changed days, from each of them
-- on shifted by the sum of the changes so far, and joined where neighbours have become equal.
-- Grain: article, location and run of days.
with changes as (
  select d.inventory_id, d.location_id, d.day, d.delta, p.begun
  from run_day_deltas as d
  join run_pairs as p using (inventory_id, location_id)
  where p.begun is not null
  union all
  -- What was the first range may be none of its own, once an earlier day is known.
  select p.inventory_id, p.location_id, p.begun, 0, p.begun
  from run_day_deltas as d
  join run_pairs as p using (inventory_id, location_id)
  where d.day <= p.begun
  group by p.inventory_id, p.location_id, p.begun
  having max(d.day) < p.begun),
shifts as (
  select *, sum(delta) over pair as shift, day <= begun and row_number() over pair = 1 as is_first_of_all
  from changes
  window pair as (partition by inventory_id, location_id order by day)),
-- What is stored of each changed day, and of the day before it.
stored as (
  select s.inventory_id, s.location_id, s.day, s.shift, s.is_first_of_all, r.valid_to as stored_to,
         r.valid_from is not distinct from s.day as was_stored,
         case when r.valid_from = s.day then b.valid_from else r.valid_from end as before_from,
         coalesce(r.on_hand, 0) + s.shift as on_hand,
         coalesce(case when r.valid_from = s.day then b.on_hand else r.on_hand end, 0) + s.shift - s.delta
           as on_hand_before
  from shifts as s
  left join lateral (
    select x.valid_from, x.valid_to, x.on_hand from stock_ranges as x
    where x.inventory_id = s.inventory_id and x.location_id = s.location_id and x.valid_from <= s.day
    order by x.valid_from desc
    limit 1) as r on true
  left join lateral (
    select x.valid_from, x.on_hand from stock_ranges as x
    where x.inventory_id = s.inventory_id and x.location_id = s.location_id and x.valid_from < s.day
      and r.valid_from = s.day
    order by x.valid_from desc
    limit 1) as b on true),
-- Where a range begins or began. One begins where the balance changes, and on the first day of all.
points as (
  select *, row_number() over pair as number, coalesce(lead(day) over pair, 'infinity') as next_day,
         coalesce(lead(begins) over pair, true) as next_begins
  from (select *, on_hand <> on_hand_before or is_first_of_all as begins from stored) as s
  where begins or was_stored
  window pair as (partition by inventory_id, location_id order by day)),
-- How far the range before a point reaches at which none begins any more.
joined as (
  select inventory_id, location_id, day, min(reaches) over pair as valid_to
  from (
    select inventory_id, location_id, day,
           case when stored_to < next_day then stored_to when next_begins then next_day end as reaches
    from points
    where not begins) as p
  window pair as (partition by inventory_id, location_id order by day desc)),
-- The days from a point to the next, and from the range before the first point to this.
spans as (
  select p.inventory_id, p.location_id, p.day, p.next_day, p.shift, p.begins, p.was_stored, p.on_hand, p.stored_to,
         coalesce(j.valid_to, p.next_day) as valid_to
  from points as p
  left join joined as j
    on j.inventory_id = p.inventory_id and j.location_id = p.location_id and j.day = p.next_day
  union all
  select p.inventory_id, p.location_id, p.before_from, p.day, 0, true, true, null, null, coalesce(j.valid_to, p.day)
  from points as p
  left join joined as j using (inventory_id, location_id, day)
  where p.number = 1 and p.before_from is not null),
gone as (
  delete from stock_ranges as r
  using points as p
  where (r.inventory_id, r.location_id, r.valid_from) = (p.inventory_id, p.location_id, p.day) and not p.begins),
-- Found by its key once, each is changed by its place; nobody else moves it, for the article's stock row is locked.
kept as (
  update stock_ranges as r
  set on_hand = r.on_hand + x.shift, valid_to = x.valid_to
  from (
    select r.place, s.shift, r.valid_to as old_valid_to,
           case when r.valid_to < s.next_day then r.valid_to else s.valid_to end as valid_to
    from spans as s
    cross join lateral (
      select x.ctid as place, x.valid_from, x.valid_to from stock_ranges as x
      where x.inventory_id = s.inventory_id and x.location_id = s.location_id
        and x.valid_from >= s.day and x.valid_from < s.next_day
      offset 0  -- or the planner reads and hashes the whole table
    ) as r
    where s.begins or r.valid_from > s.day) as x
  where r.ctid = x.place and (x.shift <> 0 or x.valid_to <> x.old_valid_to))
insert into stock_ranges (inventory_id, location_id, valid_from, valid_to, on_hand)
select inventory_id, location_id, day, case when stored_to < next_day then stored_to else valid_to end, on_hand
from spans
where begins and not was_stored
order by inventory_id, location_id, day
