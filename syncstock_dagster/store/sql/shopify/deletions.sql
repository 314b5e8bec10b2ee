-- Variants that may go, went or stay. Grain: variant.
select d.deletion_id, d.product_id, d.variant_id, d.sku, d.title, d.state, d.reason, d.decided_by, d.decided_at,
       d.decided_because, d.deleted_at
from shopify_deletions as d
where d.sync_id = %(sync_id)s and (%(states)s::text[] is null or d.state = any(%(states)s::text[]))
order by d.deletion_id
limit %(limit)s
