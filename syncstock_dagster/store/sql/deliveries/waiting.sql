-- Deliveries to post: with a row on the days asked for, and those without days; or among some. First the catalogue, then
-- what moved, then counts from the earliest day on, else in receipt order: all orders end in the same stock, and in this
-- one the gate judges a count by all that came with it. Grain: delivery.
select delivery_id
from deliveries as d
where state = 'received' and (%(among)s::bigint[] is null or delivery_id = any(%(among)s::bigint[]))
  and (%(first)s::date is null or days is null
       or days && daterange(%(first)s::date, %(last)s::date, '[]') and exists (
         select from delivery_days as x
         where x.delivery_id = d.delivery_id and x.day between %(first)s::date and %(last)s::date))
order by kind is distinct from 'products', kind is not distinct from 'counts',
         case when kind = 'counts' then lower(days) end nulls first, received_at, delivery_id
