-- How operations did on each business day on which any began. Rates are of those that ended well; the slowest is the
-- type that took most of the time, and the stage on which it spent it. Grain: day.
with ended as (
  select (o.started_at at time zone %(timezone)s)::date as day, o.operation_type, o.status::text as status,
         extract(epoch from p.total_duration) as seconds, p.items_processed as items, p.api_calls_count as calls,
         p.bytes_transferred as bytes, extract(epoch from p.rate_limit_wait) as waited, p.bottleneck_stage
  from sync_operations as o
  left join sync_performance_logs as p using (operation_id)
  where o.started_at >= (%(first)s::date)::timestamp at time zone %(timezone)s
    and o.started_at < (%(last)s::date + 1)::timestamp at time zone %(timezone)s),
slowest as (
  select distinct on (day) day, operation_type, bottleneck_stage
  from (
    select day, operation_type, bottleneck_stage, sum(seconds) as seconds
    from ended
    group by day, operation_type, bottleneck_stage) as by_stage
  where seconds is not null
  order by day, seconds desc, operation_type)
select e.day, count(*) as operations, count(*) filter (where e.status = 'failed') as failed,
       round(100.0 * count(*) filter (where e.status = 'failed') / count(*), 2) as failed_percent,
       coalesce(sum(e.items), 0)::bigint as items, coalesce(round(sum(e.seconds), 3), 0) as seconds,
       round(sum(e.items) / nullif(sum(e.seconds), 0), 1) as items_per_second,
       round((percentile_cont(0.95) within group (order by e.seconds))::numeric, 3) as p95_seconds,
       coalesce(sum(e.calls), 0)::bigint as calls, coalesce(sum(e.bytes), 0)::bigint as bytes,
       coalesce(round(sum(e.waited), 3), 0) as waited_seconds,
       min(s.operation_type) as slowest_type, min(s.bottleneck_stage) as slowest_stage
from ended as e
left join slowest as s using (day)
group by e.day
order by e.day
