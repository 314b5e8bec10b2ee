-- What came in, newest first. Grain: delivery.
select d.delivery_id, d.name, d.kind, d.source, d.state::text as state, d.row_count, d.received_at, d.posted_at,
       d.errors, o.operation_uuid::text as operation_uuid
from deliveries as d
left join sync_operations as o using (operation_id)
where %(state)s::text is null or d.state::text = %(state)s::text
order by d.delivery_id desc
limit %(limit)s
