-- An operation that failed says why; nothing else of it was kept.
with failed as (
  update sync_operations
  set status = 'failed', finished_at = clock_timestamp(), error = %(error)s
  where operation_uuid = %(uuid)s and status not in ('completed', 'partly')
  returning operation_id, operation_uuid, operation_type, name),
told as (
  insert into sync_events (event_type, entity_type, entity_id, payload, operation_id)
  select case when f.operation_type in ('sync', 'load', 'pull', 'push') then 'sync' else f.operation_type end
           || '.failed',
         'operation', f.operation_uuid::text, jsonb_build_object('name', f.name, 'error', %(error)s::text),
         f.operation_id
  from failed as f
  returning pg_notify('syncstock_events', ''))
update meta
set status = 'ERROR', notes = %(error)s, operation_uuid = failed.operation_uuid, last_run_at = clock_timestamp()
from failed
where failed.operation_type in ('sync', 'load', 'pull', 'push')
