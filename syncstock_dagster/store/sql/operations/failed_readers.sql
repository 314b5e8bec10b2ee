-- Readers whose last operation failed: when, and why. Grain: reader.
select f.name, f.operation_id, coalesce(f.finished_at, f.started_at) as since, f.error
from unnest(%(names)s::text[]) as n (name)
cross join lateral (
  select o.name, o.operation_id, o.status, o.started_at, o.finished_at, o.error
  from sync_operations as o
  where o.name = n.name and starts_with(o.name, 'reader of ') and o.status in ('completed', 'partly', 'failed')
  order by o.operation_id desc
  limit 1) as f
where f.status = 'failed'
order by f.name
