-- The rollback is on record. What it undid is rolled back; where that was a rollback itself, its own original
-- is completed again. Grain: operation.
with recorded as (
  insert into sync_rollbacks
    (original_operation_id, rollback_operation_id, rollback_type, reason, created_by)
  values (%(target_id)s, %(operation_id)s, 'full', %(reason)s, %(who)s)),
given_back as (
  select r.original_operation_id as operation_id
  from sync_rollbacks as r
  where r.rollback_operation_id = %(requested_id)s and r.original_operation_id <> %(target_id)s)
update sync_operations as o
set status = case when o.operation_id in (%(requested_id)s, %(target_id)s) then 'rolled_back'
                  else 'completed' end::operation_status
where o.operation_id in (%(requested_id)s, %(target_id)s)
   or o.operation_id in (select g.operation_id from given_back as g)
