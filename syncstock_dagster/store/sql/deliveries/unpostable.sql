-- Deliveries that wait, and could not be posted when that was last tried: since when, how often, and why.
-- Grain: delivery.
select d.delivery_id, d.name,
       array(select x.day from delivery_days as x where x.delivery_id = d.delivery_id order by x.day) as days,
       tried.since, tried.times, last.error
from deliveries as d
cross join lateral (
  select o.status, o.error
  from sync_operations as o
  where o.delivery_id = d.delivery_id and o.status in ('completed', 'partly', 'failed')
  order by o.operation_id desc
  limit 1) as last
cross join lateral (
  select min(o.started_at) as since, count(*) as times
  from sync_operations as o
  where o.delivery_id = d.delivery_id and o.status = 'failed') as tried
where d.state = 'received' and last.status = 'failed'
order by d.received_at, d.delivery_id
