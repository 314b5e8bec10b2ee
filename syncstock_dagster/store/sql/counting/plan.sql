-- Plans for some days at one location: what is due by the last of them, the most urgent first, so many lines a day as
-- are not planned yet, shared among the counters shelf by shelf. What an earlier plan still waits for is not planned
-- twice. Grain of what is written: plan, and plan and article.
with place as (
  select location_id, timezone from locations where code = %(location)s),
classes as (
  select c.inventory_id, c.abc
  from abc_classes(%(day)s, %(window_days)s, %(a_until)s, %(b_until)s) as c
  join place using (location_id)),
missed as (
  select v.inventory_id, count(*) as misses
  from counted_variances as v
  join place using (location_id)
  where not v.is_opening and v.day > %(day)s::date - %(window_days)s
    and abs(v.variance) > greatest(%(units)s, %(percent)s * abs(v.expected) / 100)
  group by v.inventory_id),
counted as (
  select k.inventory_id, max(k.counted_at) as last_counted_at
  from stock_counts as k
  join place using (location_id)
  where k.decision in ('applied', 'held') and k.withdrawn_by is null and k.standing <> 'superseded'
  group by k.inventory_id),
known as (
  select s.inventory_id, p.sku, g.name as category, coalesce(c.abc, 'C') as abc, n.last_counted_at, s.on_hand,
         coalesce(m.misses, 0) as misses,
         (n.last_counted_at at time zone place.timezone)::date + case
           when s.on_hand < 0 then 1
           when coalesce(c.abc, 'C') = 'A' or coalesce(m.misses, 0) >= %(misses)s then %(every_a)s
           when c.abc = 'B' then %(every_b)s
           else %(every_c)s end as due_on
  from item_stock as s
  join place using (location_id)
  join products as p using (inventory_id)
  left join categories as g using (category_id)
  left join classes as c using (inventory_id)
  left join missed as m using (inventory_id)
  left join counted as n using (inventory_id)
  where s.events > 0 and p.is_active
    and not exists (
      select from count_plan_status as o
      where o.inventory_id = s.inventory_id and o.location_id = s.location_id and o.status = 'planned')),
due as (
  select *, case when on_hand < 0 then 'negative'
                 when on_hand = 0 then 'zero'
                 when misses >= %(misses)s then 'misses'
                 when last_counted_at is null then 'never_counted'
                 else 'due' end as why
  from known
  where due_on is null or due_on < %(day)s::date + %(days)s),
urgent as (
  select *, row_number() over (
           order by array_position(array['negative', 'zero', 'misses', 'never_counted', 'due'], why),
             misses desc, due_on nulls first, abc, inventory_id) as priority
  from due),
slots as (
  select d.day, row_number() over (order by d.day, n.n) as slot
  from (
    select g.day::date as day
    from generate_series(%(day)s::date, %(day)s::date + %(days)s - 1, interval '1 day') as g (day)) as d
  cross join lateral generate_series(1, %(capacity)s - (
    select count(*)::int
    from count_plans as p
    join place using (location_id)
    join count_plan_lines as n using (plan_id)
    where p.day = d.day and n.skipped_by is null)) as n (n)),
shared as (
  select u.*, s.day, ntile(cardinality(%(counters)s::text[])) over (
           partition by s.day order by u.category nulls last, u.sku) as turn
  from urgent as u
  join slots as s on s.slot = u.priority),
plans as (
  insert into count_plans (location_id, day, counter, is_blind, counts_from, created_by, operation_id)
  select place.location_id, x.day, (%(counters)s::text[])[x.turn], %(is_blind)s,
         least(now(), day_start(x.day, place.timezone)), %(who)s, %(operation_id)s
  from (select distinct day, turn from shared) as x, place
  order by x.day, x.turn
  returning plan_id, day, counter),
lines as (
  insert into count_plan_lines (plan_id, inventory_id, abc, priority, why, last_counted_at)
  select p.plan_id, s.inventory_id, s.abc, s.priority, s.why, s.last_counted_at
  from shared as s
  join plans as p on p.day = s.day and p.counter is not distinct from (%(counters)s::text[])[s.turn])
select plan_id from plans order by plan_id
