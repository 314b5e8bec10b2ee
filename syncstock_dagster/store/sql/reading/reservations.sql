-- Reservations that hold now, or all of them. Grain: line of a reservation.
select r.ref, r.line, r.inventory_id, p.sku, l.code as location, r.quantity, r.unit_price, r.reserved_at, r.expires_at,
       case when r.state = 'open' and r.expires_at <= clock_timestamp() then 'expired' else r.state end as state,
       o.created_by
from reservations as r
join locations as l using (location_id)
left join products as p using (inventory_id)
join sync_operations as o on o.operation_id = r.operation_id
where %(every)s or (r.state = 'open' and r.expires_at > clock_timestamp())
order by r.expires_at, r.ref, r.line
