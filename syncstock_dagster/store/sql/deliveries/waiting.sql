-- Deliveries to post, in receipt order: with a row on the days asked for, and those without days. Grain: delivery.
select delivery_id
from deliveries as d
where state = 'received'
  and (%(first)s::date is null or days is null
       or days && daterange(%(first)s::date, %(last)s::date, '[]') and exists (
         select from delivery_days as x
         where x.delivery_id = d.delivery_id and x.day between %(first)s::date and %(last)s::date))
order by received_at, delivery_id
