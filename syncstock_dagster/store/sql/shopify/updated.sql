-- Levels that a run has set and not taken back, or would set. Grain: level.
select w.sku, w.change_from as old_qty, w.quantity as new_qty, w.location, w.state
from shopify_writes as w
where w.sync_id = %(sync_id)s and w.undoes is null and w.state in ('done', 'planned')
  and not exists (select from shopify_writes as u where u.undoes = w.write_id and u.state = 'done')
order by w.write_id
limit %(limit)s
