-- Points that change or go are kept as they were known until now. Grain: point.
update count_points as p
set recorded_to = r.stamp
from run_count_changes as c
join run_pairs as r using (inventory_id, location_id)
where (p.inventory_id, p.location_id, p.counted_at) = (c.inventory_id, c.location_id, c.counted_at)
  and p.recorded_to = 'infinity'
