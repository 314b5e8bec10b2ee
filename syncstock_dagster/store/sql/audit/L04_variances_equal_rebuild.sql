-- Counts in force and variances that a rebuild would not give. Grain: count in force.
select inventory_id, location_id, counted_at, p.quantity, p.variance, e.quantity as expected_quantity,
       e.variance as expected_variance
from (select * from count_points where recorded_to = 'infinity') as p
full join (
  select k.inventory_id, k.location_id, k.counted_at, k.quantity, x.delta as variance
  from expected_points as k
  join expected_entries as x
    on (x.inventory_id, x.location_id, x.effective_at, x.entry_type)
       = (k.inventory_id, k.location_id, k.counted_at, 'adjustment')
) as e using (inventory_id, location_id, counted_at)
where (p.quantity, p.variance) is distinct from (e.quantity, e.variance)
