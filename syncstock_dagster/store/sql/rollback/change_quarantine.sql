-- Selected evidence that waits follows its delivery. Grain: quarantined row.
update quarantine as q
set state = case when q.withdrawn_by = %(target_id)s then 'waiting' else 'withdrawn' end,
    withdrawn_by = case when q.withdrawn_by = %(target_id)s then null else %(operation_id)s end
where (q.withdrawn_by = %(target_id)s
   or (q.state = 'waiting'
       and q.delivery_id in (select d.delivery_id from deliveries as d where d.operation_id = %(target_id)s)))
  and (%(inventory_ids)s::bigint[] is null
       or q.sku in (select p.sku from products as p where p.inventory_id = any(%(inventory_ids)s::bigint[])))
  and (%(location_ids)s::int[] is null
       or q.location in (select l.code from locations as l where l.location_id = any(%(location_ids)s::int[])))
