-- What was done, newest first. Grain: operation.
select o.operation_uuid::text as operation_uuid, o.name, o.operation_type as type, o.status::text as status,
       o.created_by, o.started_at, o.finished_at, o.statistics, o.error, o.is_rollbackable
from sync_operations as o
order by o.operation_id desc
limit %(limit)s
