-- A count's variance is the sum of the adjustments at its instant. Grain: point.
update count_points as p
set variance = p.variance + e.delta
from (
  select inventory_id, location_id, effective_at, sum(delta) as delta
  from run_entries
  where step = %(step)s and entry_type = 'adjustment' and events >= 0
  group by inventory_id, location_id, effective_at) as e
where (p.inventory_id, p.location_id, p.counted_at) = (e.inventory_id, e.location_id, e.effective_at)
  and p.recorded_to = 'infinity' and e.delta <> 0
