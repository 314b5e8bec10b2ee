-- What follows from counts, so that no state of a plan, a recount or a measure has to be kept up by hand.

-- Classes by the value that moved, at cost, else price, else one, in the days up to one (null: today): those that make
-- up the first a_until of it are A, the next up to b_until B, all others C. Once for each location and once for all
-- together, whose location_id is null. Grain: location and article with any evidence, and article.
create function abc_classes(as_of date, window_days int, a_until numeric, b_until numeric)
  returns table (location_id int, inventory_id bigint, quantity numeric, value numeric, share numeric, abc text)
  language sql stable parallel safe
begin atomic
  with places as materialized (
    select l.location_id, day_end(d.day - window_days, l.timezone) as begins, day_end(d.day, l.timezone) as ends
    from locations as l
    cross join lateral (select coalesce(as_of, (now() at time zone l.timezone)::date) as day) as d),
  moved as (
    select m.location_id, m.inventory_id, sum(abs(m.quantity)) as quantity
    from movements as m
    join places as p using (location_id)
    where m.state = 'in_force' and not m.advisory and m.effective_at > p.begins and m.effective_at <= p.ends
    group by m.location_id, m.inventory_id),
  valued as (
    select s.location_id, s.inventory_id, sum(coalesce(m.quantity, 0)) as quantity,
           sum(coalesce(m.quantity, 0) * coalesce(p.cost, p.price, 1)) as value
    from item_stock as s
    left join products as p using (inventory_id)
    left join moved as m using (location_id, inventory_id)
    where s.events > 0
    group by grouping sets ((s.location_id, s.inventory_id), (s.inventory_id))),
  ranked as (
    select v.*, coalesce(sum(v.value) over before, 0) as value_before,
           sum(v.value) over (partition by v.location_id) as whole
    from valued as v
    window before as (
      partition by v.location_id order by v.value desc, v.inventory_id
      rows between unbounded preceding and 1 preceding))
  select r.location_id, r.inventory_id, r.quantity, r.value,
         case when r.whole > 0 then r.value / r.whole else 0 end as share,
         case
           when r.value <= 0 then 'C'
           when r.value_before < a_until * r.whole then 'A'
           when r.value_before < b_until * r.whole then 'B'
           else 'C' end as abc
  from ranked as r;
end;

-- What counts found against the books: those in force, and those that are held, as they stand now. Rooms of a session
-- are one count. Grain: article, location, instant of a count in force; else also source and session.
create view counted_variances as
select p.inventory_id, p.location_id, p.counted_at, (p.counted_at at time zone l.timezone)::date as day,
       p.quantity as counted, p.quantity - p.variance as expected, p.variance,
       not exists (
         select from count_points as e
         where e.inventory_id = p.inventory_id and e.location_id = p.location_id
           and e.counted_at < p.counted_at and e.recorded_to = 'infinity') as is_opening,
       false as is_held, p.count_id
from count_points as p
join locations as l using (location_id)
where p.recorded_to = 'infinity'
union all
select h.inventory_id, h.location_id, h.counted_at, (h.counted_at at time zone l.timezone)::date,
       h.quantity, b.book, h.quantity - b.book, false, true, h.count_id
from (
  select c.inventory_id, c.location_id, c.counted_at, sum(c.quantity) as quantity, min(c.count_id) as count_id
  from stock_counts as c
  where c.decision = 'held' and c.withdrawn_by is null and c.standing <> 'superseded'
  group by c.inventory_id, c.location_id, c.counted_at, c.source_id, c.session) as h
join locations as l using (location_id)
cross join lateral (
  select coalesce(sum(e.delta), 0) as book
  from ledger_entries as e
  where e.inventory_id = h.inventory_id and e.location_id = h.location_id and e.effective_at <= h.counted_at
    and not (e.effective_at = h.counted_at and e.entry_type = 'adjustment')) as b;

-- What became of each line of a plan. Any count of a person or a till fulfils it, by whatever sheet it came, unless it
-- was rejected or withdrawn, or another took its place. Grain: plan and article.
create view count_plan_status as
select n.plan_id, n.inventory_id, p.location_id, p.day, p.counter, n.abc, n.priority, n.why, n.last_counted_at,
       case when c.count_id is not null then 'counted'
            when n.skipped_by is not null then 'skipped'
            else 'planned' end as status,
       n.skipped_because, c.count_id, c.counted_at, c.counter as counted_by
from count_plan_lines as n
join count_plans as p using (plan_id)
left join lateral (
  select k.count_id, k.counted_at, k.counter
  from stock_counts as k
  where k.inventory_id = n.inventory_id and k.location_id = p.location_id and k.counted_at >= p.counts_from
    and k.decision in ('applied', 'held') and k.withdrawn_by is null and k.standing <> 'superseded'
  order by k.counted_at, k.count_id
  limit 1) as c on true;

-- The counts of a recount, one for each person, who counts only once; those who counted rooms of one session are one.
-- moved: by recorded movements since the first of them; target: the first one's number moved by them; difference: this
-- number less the target. Late movements change all three. Grain: recount, article, round.
create view recount_rounds as
with said as (
  select n.recount_id, n.inventory_id, r.location_id, k.counted_at,
         coalesce(string_agg(distinct lower(btrim(k.counter)), ' + '), '') as person,
         string_agg(distinct k.counter, ', ') as counter, sum(k.quantity) as quantity,
         array_agg(k.count_id order by k.count_id) as count_ids,
         coalesce(bool_or(k.count_id = n.first_count_id), false) as is_first
  from recount_lines as n
  join recounts as r using (recount_id)
  left join stock_counts as f on f.count_id = n.first_count_id
  join stock_counts as k on k.inventory_id = n.inventory_id and k.location_id = r.location_id
  where k.withdrawn_by is null and k.decision in ('applied', 'held') and k.standing <> 'superseded'
    and k.counted_at >= coalesce(f.counted_at, r.counts_from)
  group by n.recount_id, n.inventory_id, r.location_id, k.counted_at, k.source_id, k.session
  having count(k.counter) > 0 or bool_or(k.count_id = n.first_count_id)),
people as (
  select distinct on (recount_id, inventory_id, person) *
  from said
  order by recount_id, inventory_id, person, is_first desc, counted_at, count_ids),
rounds as (
  select p.*, row_number() over line as round, first_value(p.counted_at) over line as first_at,
         first_value(p.quantity) over line as first_quantity
  from people as p
  window line as (partition by p.recount_id, p.inventory_id order by p.counted_at, p.count_ids))
select r.recount_id, r.inventory_id, r.location_id, r.round, r.counter, r.counted_at, r.quantity, m.moved,
       r.first_quantity + m.moved as target, r.quantity - r.first_quantity - m.moved as difference, r.count_ids
from rounds as r
cross join lateral (
  select coalesce(sum(e.delta), 0) as moved
  from ledger_entries as e
  where e.inventory_id = r.inventory_id and e.location_id = r.location_id and e.entry_type = 'movement'
    and e.effective_at > r.first_at and e.effective_at <= r.counted_at) as m;

-- How far each line of a recount is: agreed once two people's numbers, moved to one instant, differ by no more than the
-- tolerance; a third person is wanted after two who do not agree, somebody who decides after three, and then it is decided.
-- Grain: recount and article.
create view recount_status as
select n.recount_id, n.inventory_id, r.location_id, coalesce(x.rounds, 0)::int as rounds,
       case when n.cancelled_by is not null then 'cancelled'
            when a.count_ids is not null then 'agreed'
            when d.is_decided then 'decided'
            when coalesce(x.rounds, 0) < 2 then 'waiting'
            when x.rounds = 2 then 'third'
            else 'person' end as state,
       a.quantity, a.counted_at, a.count_ids, n.first_count_id, n.settled_by
from recount_lines as n
join recounts as r using (recount_id)
left join lateral (
  select count(*) as rounds
  from recount_rounds as o
  where o.recount_id = n.recount_id and o.inventory_id = n.inventory_id) as x on true
-- Whoever decides on one of three numbers has looked at all of them, also where the one is then no round any more.
cross join lateral (
  select count(distinct lower(btrim(k.counter))) >= 3 and bool_or(exists (
           select from decisions as v
           where v.count_id = k.count_id and v.decided_by <> 'gate' and v.decision in ('applied', 'rejected')
             and v.decided_at > r.created_at)) as is_decided
  from stock_counts as k
  left join stock_counts as f on f.count_id = n.first_count_id
  where k.inventory_id = n.inventory_id and k.location_id = r.location_id and k.withdrawn_by is null
    and k.decision in ('applied', 'held', 'rejected') and k.standing <> 'superseded'
    and k.counted_at >= coalesce(f.counted_at, r.counts_from)) as d
left join lateral (
  select later.quantity, later.counted_at, earlier.count_ids || later.count_ids as count_ids
  from recount_rounds as later
  join recount_rounds as earlier
    on earlier.recount_id = later.recount_id and earlier.inventory_id = later.inventory_id
    and earlier.round < later.round
  where later.recount_id = n.recount_id and later.inventory_id = n.inventory_id
    and abs(later.difference - earlier.difference) <= r.tolerance
  order by later.round, earlier.round
  limit 1) as a on true;
