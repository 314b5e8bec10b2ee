-- Deliveries to post, in receipt order. Grain: delivery.
select delivery_id
from deliveries
where state = 'received'
  and (%(first)s::date is null or days is null
       or days && daterange(%(first)s::date, %(last)s::date, '[]'))
order by received_at, delivery_id
