-- A rollback that waits for a second person, once. Grain: rollback.
insert into sync_rollbacks
  (original_operation_id, rollback_type, selection, reason, created_by, digest, status)
select o.operation_id, %(type)s, %(selection)s::jsonb, %(reason)s, %(who)s, %(digest)s, 'requested'
from sync_operations as o
where o.operation_uuid::text = %(uuid)s
  and not exists (
    select from sync_rollbacks as r
    where r.original_operation_id = o.operation_id and r.status = 'requested' and r.selection = %(selection)s::jsonb)
