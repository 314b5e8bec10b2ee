-- Changes as they wait for review, less those that waited already. Grain: change.
with described as (
  select r.staging_id, c.position, coalesce(f.data, '{}') as data,
         exists (
           select from run_catalogue_conflicts as k where k.position = c.position and k.verdict is null)
           as has_conflicts
  from run_stored as r
  join run_changes as c using (position)
  left join (
    select x.position, jsonb_object_agg(x.field, jsonb_build_object('old', x.old, 'new', x.new)) as data
    from run_fields as x
    group by x.position) as f using (position)
  where not r.is_kept)
insert into products_staging
  (staging_id, source_product_id, sku, change_type, change_data, remote, source, base_version, has_conflicts,
   sync_operation_id, staged_by)
select d.staging_id, coalesce(c.inventory_id, c.asked_id), c.sku, c.change_type, d.data, c.remote, %(source)s,
       c.version, d.has_conflicts, %(operation_id)s, %(who)s
from described as d
join run_changes as c using (position)
order by d.position
