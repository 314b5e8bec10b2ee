-- Calls of a run of which the answer is not known, in the order in which they were stored. Grain: call.
select c.call_key::text as call_key, c.purpose, c.input, c.stored_at,
       (select array_agg(distinct w.product_id order by w.product_id)
        from shopify_writes as w where w.call_key = c.call_key) as products
from shopify_calls as c
where c.sync_id = %(sync_id)s and c.state = 'stored'
order by c.stored_at, c.call_key
