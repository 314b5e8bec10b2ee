-- What a run did not do and why: products that failed or were left, and single levels. Grain: product or level.
select p.product_id, null as sku, null as location, p.state, p.reason
from shopify_products as p
where p.sync_id = %(sync_id)s and p.reason is not null and p.state = any(%(states)s::text[])
union all
select w.product_id, w.sku, w.location, w.state, w.reason
from shopify_writes as w
where w.sync_id = %(sync_id)s and w.reason is not null and w.state = any(%(line_states)s::text[])
order by 1, 2, 3
limit %(limit)s
