-- What the ledger must sum to at every instant, from the evidence alone: number the counts of each article and
-- location, sum the movements within each number, and the adjustment is what is missing to the next count.
-- Grain: article, location, instant, type of entry.
create temp table expected_entries on commit drop as
with events as (
  select inventory_id, location_id, effective_at, 0 as is_count, sum(quantity) as quantity, count(*) as events
  from movements
  where state = 'in_force' and not advisory
  group by inventory_id, location_id, effective_at
  union all
  select inventory_id, location_id, counted_at, 1, quantity, 1
  from expected_points),
numbered as (
  select *, sum(is_count) over (
           partition by inventory_id, location_id
           order by effective_at, is_count rows between unbounded preceding and current row) - is_count as segment
  from events),
moved as (
  select *, coalesce(sum(quantity) filter (where is_count = 0) over (
           partition by inventory_id, location_id, segment order by effective_at, is_count), 0) as moved,
         case when is_count = 1 then lag(quantity) over counts end as counted_before
  from numbered
  window counts as (partition by inventory_id, location_id, is_count order by effective_at))
select inventory_id, location_id, effective_at,
       case is_count when 0 then 'movement' else 'adjustment' end::entry_type as entry_type,
       case is_count when 0 then quantity else quantity - coalesce(counted_before, 0) - moved end as delta,
       events
from moved
