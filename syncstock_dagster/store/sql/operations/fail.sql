-- An operation that failed says why; nothing else of it was kept.
with failed as (
  update sync_operations
  set status = 'failed', finished_at = clock_timestamp(), error = %(error)s
  where operation_uuid = %(uuid)s and status <> 'completed'
  returning operation_uuid, operation_type)
update meta
set status = 'ERROR', notes = %(error)s, operation_uuid = failed.operation_uuid, last_run_at = clock_timestamp()
from failed
where failed.operation_type in ('sync', 'load')
