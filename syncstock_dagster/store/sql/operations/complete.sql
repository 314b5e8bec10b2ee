-- The last statement of an operation's transaction: its record, its performance, its events and the status commit
-- with its effect. Counts that the gate held and published values that changed are events, too.
with done as (
  update sync_operations
  set status = %(status)s::operation_status, finished_at = clock_timestamp(), statistics = %(statistics)s::jsonb,
      error = null
  where operation_id = %(operation_id)s
  returning operation_uuid, name, operation_type),
logged as (
  insert into sync_performance_logs
    (operation_id, total_duration, items_processed, items_per_second, api_calls_count, bytes_transferred,
     rate_limit_wait, bottleneck_stage, stages)
  values
    (%(operation_id)s, %(seconds)s * interval '1 second', %(items)s,
     round((%(items)s / nullif(%(seconds)s, 0))::numeric, 3), %(calls)s, %(bytes)s,
     %(waited)s * interval '1 second', %(bottleneck)s, %(stages)s::jsonb)),
happened as (
  select 'count.held' as event_type, 'count' as entity_type, x.count_id::text as entity_id,
         jsonb_build_object(
           'counted', x.counted, 'expected', x.expected, 'tier', x.tier, 'reason', x.reason) as payload
  from decisions as x
  where x.operation_id = %(operation_id)s and x.decision = 'held'
  union all
  select 'stock.restated', 'stock', r.inventory_id || '@' || r.location_id,
         jsonb_build_object(
           'inventory_id', r.inventory_id, 'location_id', r.location_id, 'first_day', min(r.first_day),
           'last_day', max(r.last_day), 'values', count(*))
  from restatements as r
  where r.operation_id = %(operation_id)s
  group by r.inventory_id, r.location_id
  union all
  select case when d.operation_type in ('sync', 'load', 'pull', 'push') then 'sync' else d.operation_type end
           || '.completed',
         'operation', d.operation_uuid::text,
         jsonb_build_object('name', d.name, 'type', d.operation_type, 'statistics', %(statistics)s::jsonb)
  from done as d),
told as (
  insert into sync_events (event_type, entity_type, entity_id, payload, operation_id)
  select h.event_type, h.entity_type, h.entity_id, h.payload, %(operation_id)s
  from happened as h
  returning pg_notify('syncstock_events', ''))
update meta
set notes = done.name,
    operation_uuid = done.operation_uuid,
    last_success_at = clock_timestamp(),
    status = case when exists (
        select from sync_operations as o
        where o.status = 'in_progress' and o.operation_id <> %(operation_id)s
          and o.operation_type in ('sync', 'load', 'pull', 'push')
          and operation_is_alive(o.operation_id)) then 'RUNNING' else 'OK' end
from done
where done.operation_type in ('sync', 'load', 'pull', 'push')
