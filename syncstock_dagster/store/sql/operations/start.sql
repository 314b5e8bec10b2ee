-- After the worker holds the operation's lock: it runs, and operations whose worker died are closed. The status is
-- that of syncs and loads; a person's request does not change it.
with dead as (
  update sync_operations as o
  set status = 'failed', finished_at = clock_timestamp(),
      error = 'The worker died; nothing of this operation was kept.'
  where o.status in ('pending', 'in_progress') and o.operation_id <> %(operation_id)s
    and o.started_at < clock_timestamp() - interval '5 seconds'
    and not operation_is_alive(o.operation_id)),
running as (
  update meta
  set status = 'RUNNING', notes = %(name)s, operation_uuid = %(uuid)s, last_run_at = clock_timestamp()
  where exists (
    select from sync_operations as o
    where o.operation_id = %(operation_id)s and o.status <> 'completed'
      and o.operation_type in ('sync', 'load')))
update sync_operations as o
set status = 'in_progress', error = null, finished_at = null
where o.operation_id = %(operation_id)s and o.status <> 'completed'
returning o.operation_id
