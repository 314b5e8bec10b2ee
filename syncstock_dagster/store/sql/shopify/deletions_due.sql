-- Products with variants that may go now, or were being deleted when somebody died. Grain: product.
select d.product_id, p.state as product_state, p.style_code,
       jsonb_agg(jsonb_build_object(
         'deletion_id', d.deletion_id, 'variant_id', d.variant_id, 'item_id', d.item_id, 'sku', d.sku,
         'state', d.state) order by d.deletion_id) as variants
from shopify_deletions as d
join shopify_products as p using (sync_id, product_id)
where d.sync_id = %(sync_id)s and d.state = any(%(states)s::text[])
group by d.product_id, p.state, p.style_code
order by d.product_id
