-- What was done, newest first. Grain: operation.
select o.operation_uuid::text as operation_uuid, o.name, o.operation_type as type, o.sync_direction as direction,
       o.status::text as status, o.created_by, o.dagster_run_id, o.started_at, o.finished_at, o.statistics, o.error,
       o.is_rollbackable, p.items_processed, p.items_per_second, p.bottleneck_stage
from sync_operations as o
left join sync_performance_logs as p using (operation_id)
order by o.operation_id desc
limit %(limit)s
