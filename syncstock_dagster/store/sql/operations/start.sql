-- After the worker holds the operation's lock: it runs, and operations whose worker died are closed. The status is
-- that of syncs, loads, pulls and pushes; a person's request does not change it. The session knows from here on for
-- which operation it works.
with dead as (
  update sync_operations as o
  set status = 'failed', finished_at = clock_timestamp(),
      error = 'The worker died; nothing of this operation was kept.'
  where o.status in ('pending', 'in_progress') and o.operation_id <> %(operation_id)s
    and o.started_at < clock_timestamp() - interval '5 seconds'
    and not operation_is_alive(o.operation_id)
  returning o.operation_id, o.operation_uuid, o.operation_type, o.name, o.error),
running as (
  update meta
  set status = 'RUNNING', notes = %(name)s, operation_uuid = %(uuid)s, last_run_at = clock_timestamp()
  where exists (
    select from sync_operations as o
    where o.operation_id = %(operation_id)s and o.status not in ('completed', 'partly')
      and o.operation_type in ('sync', 'load', 'pull', 'push'))),
told as (
  insert into sync_events (event_type, entity_type, entity_id, payload, operation_id)
  select case when d.operation_type in ('sync', 'load', 'pull', 'push') then 'sync' else d.operation_type end
           || '.failed',
         'operation', d.operation_uuid::text, jsonb_build_object('name', d.name, 'error', d.error), d.operation_id
  from dead as d
  union all
  select 'sync.started', 'operation', %(uuid)s::text, jsonb_build_object('name', %(name)s::text, 'type', %(type)s::text),
         %(operation_id)s
  where %(type)s::text in ('sync', 'load', 'pull', 'push')
    and exists (
      select from sync_operations as o
      where o.operation_id = %(operation_id)s and o.status not in ('completed', 'partly')))
update sync_operations as o
set status = 'in_progress', error = null, finished_at = null
where o.operation_id = %(operation_id)s and o.status not in ('completed', 'partly')
returning o.operation_id, set_config('syncstock.operation_id', o.operation_id::text, false)
