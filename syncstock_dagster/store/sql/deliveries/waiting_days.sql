-- Deliveries that are received and not posted, with their days. Grain: delivery.
select d.delivery_id, d.name,
       array(select x.day from delivery_days as x where x.delivery_id = d.delivery_id order by x.day) as days
from deliveries as d
where d.state = 'received'
order by d.received_at, d.delivery_id
limit %(limit)s
