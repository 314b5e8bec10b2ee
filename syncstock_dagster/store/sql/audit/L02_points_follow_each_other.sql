-- Counts in force that were known for a negative time, or two at once. Grain: count in force.
select inventory_id, location_id, counted_at, recorded_from, recorded_to::text as recorded_to
from (
  select *, lead(recorded_from) over (
    partition by inventory_id, location_id, counted_at order by recorded_from) as next_from
  from count_points) as p
where p.recorded_to <= p.recorded_from or p.recorded_to > p.next_from
