-- Levels that a run has set, or may have set, and that were not put back yet, last first; of variants that are there. Grain: level.
select w.product_id, w.item_id, w.sku, w.location, w.quantity_name, w.change_from as was, w.quantity as wrote, w.state
from shopify_writes as w
where w.sync_id = %(sync_id)s and w.undoes is null and w.state in ('done', 'sent')
  and not exists (select from shopify_writes as u where u.undoes = w.write_id)
  and not exists (select from shopify_deletions as d
                  where d.sync_id = w.sync_id and d.variant_id = w.variant_id and d.state in ('deleted', 'restored'))
order by w.write_id desc
