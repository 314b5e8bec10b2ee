-- What a source staged for an article before and nobody committed is replaced by what it says now, also where the
-- article had another SKU then; the very same change stays, so that a source that repeats itself adds nothing.
-- Conflicts that waited are over, unless they are found again. Grain: staged row.
with waiting as (
  select s.staging_id, s.source_product_id, s.sku, s.change_type, s.change_data, s.remote
  from products_staging as s
  where s.source = %(source)s and s.is_open
    and (s.sku in (select c.sku from run_changes as c)
         or s.source_product_id in (select c.inventory_id from run_changes as c))
  order by s.staging_id
  for update),
same as (
  select distinct on (c.position) c.position, w.staging_id
  from waiting as w
  join run_changes as c using (sku, change_type, remote, change_data)
  where w.source_product_id is not distinct from coalesce(c.inventory_id, c.asked_id)
  order by c.position, w.staging_id desc),
kept as (
  update run_stored as r
  set staging_id = e.staging_id, is_kept = true
  from same as e
  where e.position = r.position
  returning r.staging_id),
over as (
  update sync_conflicts as k
  set status = 'obsolete', resolved_at = clock_timestamp()
  from waiting as w
  where k.staging_id = w.staging_id and k.status = 'open')
update products_staging as s
set status = 'superseded'
from waiting as w
where s.staging_id = w.staging_id and s.staging_id not in (select k.staging_id from kept as k)
