-- Evidence that waits, and for what. Grain: quarantined row.
select q.quarantine_id, q.reason, q.kind, q.source, q.sku, q.location, d.name as delivery, q.position,
       q.payload, q.not_before, q.created_at
from quarantine as q
join deliveries as d using (delivery_id)
where q.state = 'waiting'
order by q.quarantine_id
