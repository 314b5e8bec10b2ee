-- What was done, newest first; of some types, all but some, or in some status. Grain: operation.
select o.operation_uuid::text as operation_uuid, o.name, o.operation_type as type, o.sync_direction as direction,
       o.status::text as status, o.created_by, o.dagster_run_id, o.started_at, o.finished_at, o.statistics, o.error,
       o.is_rollbackable, p.items_processed, p.items_per_second, p.bottleneck_stage
from sync_operations as o
left join sync_performance_logs as p using (operation_id)
where (%(types)s::text[] is null or o.operation_type = any(%(types)s::text[]))
  and (%(without)s::text[] is null or o.operation_type <> all(%(without)s::text[]))
  and (%(statuses)s::text[] is null or o.status::text = any(%(statuses)s::text[]))
order by o.operation_id desc
limit %(limit)s
