-- The last statement of an operation's transaction: its record and the status commit with its effect.
with done as (
  update sync_operations
  set status = 'completed', finished_at = clock_timestamp(), statistics = %(statistics)s::jsonb, error = null
  where operation_id = %(operation_id)s
  returning operation_uuid, name, operation_type)
update meta
set notes = done.name,
    operation_uuid = done.operation_uuid,
    last_success_at = clock_timestamp(),
    status = case when exists (
        select from sync_operations as o
        where o.status = 'in_progress' and o.operation_id <> %(operation_id)s
          and o.operation_type in ('sync', 'load') and operation_is_alive(o.operation_id)) then 'RUNNING' else 'OK' end
from done
where done.operation_type in ('sync', 'load')
