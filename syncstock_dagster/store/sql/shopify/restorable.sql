-- Variants that a run has deleted, by product. Grain: product.
select d.product_id,
       jsonb_agg(jsonb_build_object('deletion_id', d.deletion_id, 'sku', d.sku, 'variant', d.variant)
                 order by d.deletion_id) as variants
from shopify_deletions as d
where d.sync_id = %(sync_id)s and d.state = 'deleted'
group by d.product_id
order by d.product_id
