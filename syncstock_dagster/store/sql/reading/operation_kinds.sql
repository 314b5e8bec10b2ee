-- What was done within some days, by type and status, most first. Grain: type and status.
select o.operation_type as type, o.status::text as status, count(*) as operations,
       coalesce(sum(p.items_processed), 0)::bigint as items, max(o.started_at) as last_at,
       (array_agg(o.operation_uuid::text order by o.operation_id desc))[1] as last_uuid,
       (array_agg(o.error order by o.operation_id desc))[1] as last_error
from sync_operations as o
left join sync_performance_logs as p using (operation_id)
where o.started_at >= now() - %(days)s * interval '1 day'
group by o.operation_type, o.status
order by operations desc, type, status
