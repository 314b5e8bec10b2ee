-- Rollbacks, done and asked for, newest first. Grain: rollback.
select r.rollback_id, o.operation_uuid::text as operation_uuid, o.name, r.rollback_type as type, r.status,
       r.selection, r.reason, r.requested_by, r.created_by, r.created_at, r.done_at, r.digest, r.result,
       b.operation_uuid::text as rollback_uuid, b.status::text as rollback_status
from sync_rollbacks as r
join sync_operations as o on o.operation_id = r.original_operation_id
left join sync_operations as b on b.operation_id = r.rollback_operation_id
order by r.rollback_id desc
limit %(limit)s
