-- Operations whose uuid begins so, with their performance. Grain: operation.
select o.operation_id, o.operation_uuid::text as operation_uuid, o.name, o.operation_type as type,
       o.sync_direction as direction, o.status::text as status, o.created_by, o.dagster_run_id, o.started_at,
       o.finished_at, o.statistics, o.error, o.is_rollbackable, p.total_duration, p.items_processed,
       p.items_per_second, p.api_calls_count, p.bytes_transferred, p.rate_limit_wait, p.bottleneck_stage
from sync_operations as o
left join sync_performance_logs as p using (operation_id)
where starts_with(o.operation_uuid::text, lower(%(uuid)s)) and %(uuid)s <> ''
order by o.operation_id
limit 10
