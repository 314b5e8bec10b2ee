-- One adjustment for each count in force that this run touches (law L3): what the count itself must change,
-- less what the count before it and the movements since then already changed. So whatever stands at or before
-- a count is neutralised there, and nowhere later. Next means: at or after a movement, strictly after a count.
-- Grain: article, location, instant of a count in force.
insert into run_entries
with firsts as (
  select inventory_id, location_id, min(effective_at) as effective_at
  from run_entries
  where step = %(step)s and entry_type = 'movement'
  group by inventory_id, location_id),
-- The counts that any movement of the pair may stand before, for a search in memory instead of one in the index.
ahead as materialized (
  select f.inventory_id, f.location_id, p.instants
  from firsts as f
  cross join lateral (
    select array_agg(c.counted_at order by c.counted_at) as instants
    from count_points as c
    where c.inventory_id = f.inventory_id and c.location_id = f.location_id
      and c.counted_at >= f.effective_at and c.recorded_to = 'infinity') as p
  where p.instants is not null),
contributions as (
  select inventory_id, location_id, counted_at, gap as delta, (old_quantity is null)::int as events
  from run_count_changes
  where new_quantity is not null
  union all
  select c.inventory_id, c.location_id, n.counted_at,
         case when c.new_quantity is null then c.old_variance else -c.gap end, 0
  from run_count_changes as c
  cross join lateral (
    select p.counted_at from count_points as p
    where p.inventory_id = c.inventory_id and p.location_id = c.location_id
      and p.counted_at > c.counted_at and p.recorded_to = 'infinity'
    order by p.counted_at
    limit 1) as n
  union all
  -- width_bucket counts the instants before the movement; the next one is the count that neutralises it.
  select d.inventory_id, d.location_id,
         a.instants[width_bucket(d.effective_at - interval '1 microsecond', a.instants) + 1], -d.delta, 0
  from run_entries as d
  join ahead as a using (inventory_id, location_id)
  where d.step = %(step)s and d.entry_type = 'movement'
    and d.effective_at <= a.instants[cardinality(a.instants)]),
adjustments as (
  select inventory_id, location_id, counted_at, sum(delta) as delta, sum(events) as events
  from contributions
  group by inventory_id, location_id, counted_at
  having sum(delta) <> 0 or sum(events) <> 0)
select %(step)s, a.inventory_id, a.location_id, a.counted_at, 'adjustment'::entry_type, a.delta, a.events,
       c.source_id, null::bigint,
       case when exists (
         select from count_points as e
         where e.inventory_id = a.inventory_id and e.location_id = a.location_id
           and e.counted_at < a.counted_at and e.recorded_to = 'infinity')
       then 'count' else 'opening' end
from adjustments as a
join count_points as p
  on p.inventory_id = a.inventory_id and p.location_id = a.location_id
  and p.counted_at = a.counted_at and p.recorded_to = 'infinity'
join stock_counts as c using (count_id)
