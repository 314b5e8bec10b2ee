-- Points that this very run made in an earlier step are replaced, not versioned. Grain: point.
delete from count_points as p
using run_count_changes as c, run_pairs as r
where (p.inventory_id, p.location_id, p.counted_at) = (c.inventory_id, c.location_id, c.counted_at)
  and (r.inventory_id, r.location_id) = (c.inventory_id, c.location_id)
  and p.recorded_to = 'infinity' and p.recorded_from = r.stamp
