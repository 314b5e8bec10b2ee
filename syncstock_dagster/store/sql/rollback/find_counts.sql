-- Instants of the selected counts that the operation brought, withdrew or decided on. Grain: article, location, instant.
insert into run_count_keys
select c.inventory_id, c.location_id, c.counted_at
from deliveries as d
join stock_counts as c using (delivery_id)
where d.operation_id = %(target_id)s and c.withdrawn_by is null
  and (%(inventory_ids)s::bigint[] is null or c.inventory_id = any(%(inventory_ids)s::bigint[]))
  and (%(location_ids)s::int[] is null or c.location_id = any(%(location_ids)s::int[]))
union
select c.inventory_id, c.location_id, c.counted_at
from stock_counts as c
where c.withdrawn_by = %(target_id)s
  and (%(inventory_ids)s::bigint[] is null or c.inventory_id = any(%(inventory_ids)s::bigint[]))
  and (%(location_ids)s::int[] is null or c.location_id = any(%(location_ids)s::int[]))
union
select c.inventory_id, c.location_id, c.counted_at
from decisions as x
join stock_counts as c using (count_id)
where x.operation_id = %(target_id)s and x.decided_by <> 'gate'
  and (%(inventory_ids)s::bigint[] is null or c.inventory_id = any(%(inventory_ids)s::bigint[]))
  and (%(location_ids)s::int[] is null or c.location_id = any(%(location_ids)s::int[]))
