-- What is known under any of these identities: the newest delivery, with the operation that posted it.
select d.delivery_id, d.state::text, d.errors, d.row_count, o.operation_uuid::text, o.statistics, d.name
from delivery_identities as i
join deliveries as d using (delivery_id)
left join sync_operations as o using (operation_id)
where i.identity = any(%(identities)s::text[])
order by d.delivery_id desc
limit 1
