-- Rollbacks of an operation, and the one that it is. Grain: rollback.
select r.rollback_id, r.rollback_type, r.status, r.selection, r.reason, r.requested_by, r.created_by, r.created_at,
       o.operation_uuid::text as original_uuid, b.operation_uuid::text as rollback_uuid, r.digest, r.result
from sync_rollbacks as r
join sync_operations as o on o.operation_id = r.original_operation_id
left join sync_operations as b on b.operation_id = r.rollback_operation_id
where %(operation_id)s in (r.original_operation_id, r.rollback_operation_id)
order by r.rollback_id
