-- Variants that a run has deleted, by product, with the levels that they had before the run set them. Grain: product.
select d.product_id,
       jsonb_agg(jsonb_build_object(
         'deletion_id', d.deletion_id, 'sku', d.sku, 'variant', d.variant, 'levels', coalesce(l.levels, '{}'))
         order by d.deletion_id) as variants
from shopify_deletions as d
left join lateral (
  select jsonb_object_agg(w.location, w.change_from order by w.write_id desc) as levels
  from shopify_writes as w
  where w.sync_id = d.sync_id and w.variant_id = d.variant_id and w.undoes is null and w.state = 'done') as l on true
where d.sync_id = %(sync_id)s and d.state = 'deleted'
group by d.product_id
order by d.product_id
