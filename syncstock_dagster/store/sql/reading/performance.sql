-- How operations did, newest day first. Grain: day (UTC) and type. Seconds are of those that ended well.
select o.started_at::date as day, o.operation_type as type, count(*) as runs,
       count(*) filter (where o.status = 'failed') as failed,
       round(100.0 * count(*) filter (where o.status = 'failed') / count(*), 1) as failed_percent,
       percentile_cont(0.5) within group (order by extract(epoch from p.total_duration)) as median_seconds,
       percentile_cont(0.95) within group (order by extract(epoch from p.total_duration)) as p95_seconds,
       coalesce(sum(p.items_processed), 0)::bigint as items,
       round(sum(p.items_processed) / nullif(sum(extract(epoch from p.total_duration)), 0), 1) as items_per_second,
       coalesce(sum(p.api_calls_count), 0)::bigint as calls,
       coalesce(sum(p.bytes_transferred), 0)::bigint as bytes,
       coalesce(sum(extract(epoch from p.rate_limit_wait)), 0) as waited_seconds,
       mode() within group (order by p.bottleneck_stage) as bottleneck_stage
from sync_operations as o
left join sync_performance_logs as p using (operation_id)
where o.started_at >= clock_timestamp() - %(days)s * interval '1 day'
  and (%(type)s::text is null or o.operation_type = %(type)s::text)
group by 1, 2
order by 1 desc, 2
