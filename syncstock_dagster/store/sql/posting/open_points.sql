-- Points that come or change. The variance of a new one follows with its adjustment. Grain: point.
insert into count_points (inventory_id, location_id, counted_at, recorded_from, quantity, variance, count_id)
select c.inventory_id, c.location_id, c.counted_at, r.stamp, c.new_quantity,
       case when c.old_quantity is null then 0 else c.old_variance end, c.count_id
from run_count_changes as c
join run_pairs as r using (inventory_id, location_id)
where c.new_quantity is not null
order by c.inventory_id, c.location_id, c.counted_at
