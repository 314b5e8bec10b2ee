-- An operation is on record before it begins. The same uuid again is a retry, and keeps its row.
insert into sync_operations
  (operation_uuid, name, operation_type, sync_direction, status, created_by, dagster_run_id, is_rollbackable,
   delivery_id)
values
  (%(uuid)s, %(name)s, %(type)s, %(direction)s, 'pending', %(who)s, %(dagster_run_id)s, %(is_rollbackable)s,
   %(delivery_id)s)
on conflict (operation_uuid) do update set name = excluded.name
returning operation_id
