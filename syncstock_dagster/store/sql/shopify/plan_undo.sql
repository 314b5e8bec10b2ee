-- Lines that take back what was done, last first: only where the level still is what we wrote. A variant that is gone
-- gets its levels when it is made again. Grain: line.
insert into shopify_writes
  (sync_id, product_id, variant_id, item_id, sku, location, quantity_name, change_from, quantity, state, undoes)
select w.sync_id, w.product_id, w.variant_id, w.item_id, w.sku, w.location, w.quantity_name, w.quantity, w.change_from,
       'planned', w.write_id
from shopify_writes as w
where w.sync_id = %(sync_id)s and w.product_id = any(%(products)s::text[]) and w.state = 'done' and w.undoes is null
  and not exists (select from shopify_writes as u where u.undoes = w.write_id)
  and not exists (select from shopify_deletions as d
                  where d.sync_id = w.sync_id and d.variant_id = w.variant_id and d.state in ('deleted', 'restored'))
order by w.write_id desc
