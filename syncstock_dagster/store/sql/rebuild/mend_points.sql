-- Counts in force and their variances. Grain: count in force.
with expected as (
  select k.inventory_id, k.location_id, k.counted_at, k.quantity, x.delta as variance,
         (select min(c.count_id) from stock_counts as c
          where (c.inventory_id, c.location_id, c.counted_at) = (k.inventory_id, k.location_id, k.counted_at)
            and c.standing = 'in_force') as count_id
  from expected_points as k
  join expected_entries as x
    on (x.inventory_id, x.location_id, x.effective_at, x.entry_type)
       = (k.inventory_id, k.location_id, k.counted_at, 'adjustment')),
gone as (
  update count_points as p
  set recorded_to = clock_timestamp()
  where p.recorded_to = 'infinity'
    and not exists (
      select from expected as e
      where (e.inventory_id, e.location_id, e.counted_at) = (p.inventory_id, p.location_id, p.counted_at)))
insert into count_points as p (inventory_id, location_id, counted_at, recorded_from, quantity, variance, count_id)
select inventory_id, location_id, counted_at, clock_timestamp(), quantity, variance, coalesce(count_id, 0)
from expected
on conflict (inventory_id, location_id, counted_at) where recorded_to = 'infinity' do update
  set quantity = excluded.quantity, variance = excluded.variance, count_id = excluded.count_id
  where (p.quantity, p.variance) is distinct from (excluded.quantity, excluded.variance)
