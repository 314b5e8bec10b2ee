-- The type of an operation, and whether somebody else has asked for the same rollback. Grain: one row.
select o.operation_type, exists (
    select from sync_rollbacks as r
    where r.original_operation_id = o.operation_id and r.status = 'requested'
      and r.selection = %(selection)s::jsonb and r.created_by <> %(who)s)
from sync_operations as o
where o.operation_uuid::text = %(uuid)s and o.status in ('completed', 'partly')
