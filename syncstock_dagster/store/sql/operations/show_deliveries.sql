-- What an operation posted. Grain: delivery.
select d.delivery_id, d.name, d.kind, d.source, d.state::text as state, d.row_count, d.received_at
from deliveries as d
where d.operation_id = %(operation_id)s
order by d.delivery_id
