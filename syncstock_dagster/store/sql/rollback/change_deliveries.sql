-- Deliveries follow their evidence. Grain: delivery.
update deliveries as d
set state = case when d.operation_id = %(target_id)s then 'withdrawn' else 'posted' end::delivery_state
where (d.operation_id = %(target_id)s and d.state = 'posted')
   or (d.operation_id in (
         select r.original_operation_id from sync_rollbacks as r where r.rollback_operation_id = %(target_id)s)
       and d.state = 'withdrawn')
