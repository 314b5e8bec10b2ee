-- Syncs, loads, pulls and pushes of the last day. Grain: one row.
select count(*) as runs, count(*) filter (where o.status = 'failed') as failed,
       round(100.0 * count(*) filter (where o.status = 'failed') / nullif(count(*), 0), 1) as failed_percent,
       coalesce(sum(p.items_processed), 0)::bigint as items,
       percentile_cont(0.5) within group (order by extract(epoch from p.total_duration)) as median_seconds,
       round(avg(p.items_per_second), 1) as items_per_second,
       mode() within group (order by p.bottleneck_stage) as bottleneck_stage
from sync_operations as o
left join sync_performance_logs as p using (operation_id)
where o.started_at > clock_timestamp() - interval '1 day'
  and o.operation_type in ('sync', 'load', 'pull', 'push')
