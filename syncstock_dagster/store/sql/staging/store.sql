-- Changes as they wait for review, less those that waited already. Grain: change.
insert into products_staging
  (staging_id, source_product_id, sku, change_type, change_data, remote, source, base_version, has_conflicts,
   sync_operation_id, staged_by)
select r.staging_id, coalesce(c.inventory_id, c.asked_id), c.sku, c.change_type, c.change_data, c.remote, %(source)s,
       c.version,
       exists (
         select from run_catalogue_conflicts as k where k.position = c.position and k.verdict is null),
       %(operation_id)s, %(who)s
from run_stored as r
join run_changes as c using (position)
where not r.is_kept
order by r.position
