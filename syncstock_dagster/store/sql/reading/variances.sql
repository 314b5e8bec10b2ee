-- Counts in force, and those that are held or rejected (or the held ones alone), each with what the book said at its instant, as known
-- at an instant (null: now). low and high bound the variance where movements are known only by the day of the
-- count or lie inside the time that the counting took. tier is what the gate makes of the variance, value what it is
-- worth. Grain: article, location, instant of a count in force; else count.
with stamp as (
  select coalesce(%(known_at)s::timestamptz, 'infinity') as known_at),
points as (
  select p.*, row_number() over (
           partition by p.inventory_id, p.location_id order by p.counted_at) = 1 as is_opening
  from count_points as p, stamp as k
  where p.recorded_from <= k.known_at
    and (p.recorded_to > k.known_at or p.recorded_to = 'infinity')),
in_force as (
  select p.inventory_id, p.location_id, p.counted_at, p.quantity as counted,
         case when %(known_at)s::timestamptz is null then p.variance else (
           select coalesce(sum(e.delta), 0) from ledger_entries as e, stamp as k
           where e.inventory_id = p.inventory_id and e.location_id = p.location_id
             and e.effective_at = p.counted_at and e.entry_type = 'adjustment'
             and e.recorded_at <= k.known_at) end as variance,
         p.count_id, p.is_opening
  from points as p),
-- Source and category as one key: by the source alone, every count would meet the limits of every category.
gates as materialized (
  select *, source_id::bigint << 32 | category_id as category_key from gates_in_effect(%(gates)s::jsonb)),
verdicts as (
  select distinct on (x.count_id) x.count_id, x.decision, x.tier, x.decided_by, x.counted, x.expected
  from decisions as x, stamp as k
  where x.decided_at <= k.known_at
  order by x.count_id, x.decision_id desc),
undecided as (
  select c.inventory_id, c.location_id, c.counted_at, c.quantity as counted, c.count_id,
         v.decision as status, b.expected
  from stock_counts as c
  join verdicts as v using (count_id)
  cross join stamp as k
  cross join lateral (
    select coalesce(sum(e.delta), 0) as expected
    from ledger_entries as e
    where e.inventory_id = c.inventory_id and e.location_id = c.location_id and e.effective_at <= c.counted_at
      and not (e.effective_at = c.counted_at and e.entry_type = 'adjustment')
      and e.recorded_at <= k.known_at) as b
  where c.decision in ('held', 'rejected', 'applied') and v.decision in ('held', 'rejected')
    and (c.withdrawn_by is null or %(known_at)s::timestamptz is not null)
    and not (c.standing = 'superseded' and %(known_at)s::timestamptz is null)
    and (%(known_at)s::timestamptz is not null or c.decision::text = v.decision)
    -- Whoever counted again has answered a rejection.
    and not (c.decision = 'rejected' and %(known_at)s::timestamptz is null and exists (
      select from stock_counts as l
      join deliveries as ld on ld.delivery_id = l.delivery_id
      join deliveries as cd on cd.delivery_id = c.delivery_id
      where (l.inventory_id, l.location_id, l.counted_at, l.source_id)
            = (c.inventory_id, c.location_id, c.counted_at, c.source_id)
        and l.session is not distinct from c.session and l.room is not distinct from c.room
        and l.withdrawn_by is null
        and (ld.received_at, l.delivery_id, l.position) > (cd.received_at, c.delivery_id, c.position)))),
-- Rooms that were summed are one count.
remarked as (
  select inventory_id, location_id, counted_at, string_agg(distinct remark, '; ' order by remark) as remarks
  from stock_counts
  where remark is not null and standing = 'in_force'
  group by inventory_id, location_id, counted_at),
together as (
  select inventory_id, location_id, counted_at, counted, counted - variance as expected, variance, count_id,
         case when is_opening then 'opening' else 'applied' end as status
  from in_force
  where not %(held_only)s::boolean
  union all
  select inventory_id, location_id, counted_at, counted, expected, counted - expected, count_id, status
  from undecided
  where not %(held_only)s::boolean or status = 'held')
select t.inventory_id, l.code as location, t.counted_at, t.counted, t.expected, t.variance,
       count_status(t.status, v.decided_by, v.tier, g.tier) as status,
       t.count_id, s.name as source, c.counted_from,
       t.variance + coalesce(ambiguous.low, 0) as low, t.variance + coalesce(ambiguous.high, 0) as high,
       coalesce(ambiguous.day_rows, 0) as day_grain_rows, coalesce(ambiguous.window_rows, 0) as ambiguous_rows,
       case when t.status = 'opening' then t.status else g.tier end as tier,
       t.variance * unit_value(p.cost, p.price) as value, count_digest(t.counted, t.expected) as digest, c.session,
       b.created_by as delivered_by,
       case when t.status = 'held' and w.count_id is not null
         then case when w.answered_by is null then 'wanted' else 'answered' end end as recount,
       case when t.status in ('opening', 'applied') then o.remarks else c.remark end as remarks
from together as t
join stock_counts as c using (count_id)
join locations as l on l.location_id = c.location_id
join sources as s using (source_id)
left join verdicts as v using (count_id)
join deliveries as b using (delivery_id)
left join products as p on p.inventory_id = t.inventory_id
left join gates as of_source
  on of_source.source_id = c.source_id and of_source.category_id is null and of_source.inventory_id is null
left join gates as of_category on of_category.category_key = (c.source_id::bigint << 32 | p.category_id)
left join gates as of_article on of_article.source_id = c.source_id and of_article.inventory_id = t.inventory_id
left join recount_wishes as w on w.count_id = t.count_id
left join remarked as o
  on (o.inventory_id, o.location_id, o.counted_at) = (t.inventory_id, t.location_id, t.counted_at)
cross join lateral (
  select present_tier(
    v.expected = t.expected and (v.counted = t.counted or t.status <> 'applied'), v.tier, t.variance, t.expected,
    unit_value(p.cost, p.price), coalesce(of_article.limits, of_category.limits, of_source.limits)) as tier
  offset 0) as g
cross join lateral (select (t.counted_at at time zone l.timezone)::date as day) as d
-- A movement that the count may or may not have seen: leaving it out, or in, moves the variance by its quantity.
left join lateral (
  select sum(least(x.swing, 0)) as low, sum(greatest(x.swing, 0)) as high,
         count(*) filter (where x.day_grain) as day_rows, count(*) filter (where not x.day_grain) as window_rows
  from (
    select distinct m.movement_id, m.day_grain,
           case when m.effective_at <= t.counted_at then m.quantity else -m.quantity end as swing
    from ledger_entries as e
    join movements as p on p.movement_id = e.movement_id
    join movements as m  -- the one in force by now
      on (m.source_id, m.document_key, m.line_key) = (p.source_id, p.document_key, p.line_key)
    where e.inventory_id = t.inventory_id and e.location_id = t.location_id
      and e.effective_at >= least(c.counted_from, (d.day::timestamp at time zone l.timezone) - interval '3 hours')
      and e.effective_at < (d.day::timestamp at time zone l.timezone) + interval '27 hours'
      and m.state = 'in_force' and not m.advisory
      and m.inventory_id = t.inventory_id and m.location_id = t.location_id
      and ((m.day_grain and m.day = d.day)
           or (not m.day_grain and m.effective_at > c.counted_from and m.effective_at <= t.counted_at))
  ) as x) as ambiguous on true
order by t.inventory_id, l.code, t.counted_at, t.count_id
