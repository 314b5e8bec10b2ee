-- Requests that nobody fulfils. Grain: rollback.
update sync_rollbacks as r
set status = 'refused', done_at = clock_timestamp(), result = jsonb_build_object('refused_by', %(who)s::text, 'reason', %(reason)s::text)
from sync_operations as o
where o.operation_id = r.original_operation_id and o.operation_uuid::text = %(uuid)s and r.status = 'requested'
