-- Changes as they wait for review; a row without any differing field, and nothing to create, is none. Grain: change.
with wanted as (
  select c.position, nextval('products_staging_staging_id_seq') as staging_id
  from run_changes as c
  where exists (select from run_fields as f where f.position = c.position)
     or (c.change_type = 'create'
         and not exists (
           select from run_catalogue_conflicts as k
           where k.position = c.position and k.field = 'sku' and k.verdict = 'local'))),
kept as (
  insert into run_stored select w.position, w.staging_id from wanted as w)
insert into products_staging
  (staging_id, source_product_id, sku, change_type, change_data, remote, source, base_version, has_conflicts,
   sync_operation_id, staged_by)
select w.staging_id, coalesce(c.inventory_id, c.asked_id), c.sku, c.change_type, coalesce(f.data, '{}'), c.remote,
       %(source)s, c.version,
       exists (
         select from run_catalogue_conflicts as k where k.position = c.position and k.verdict is null),
       %(operation_id)s, %(who)s
from wanted as w
join run_changes as c using (position)
left join (
  select x.position, jsonb_object_agg(x.field, jsonb_build_object('old', x.old, 'new', x.new)) as data
  from run_fields as x
  group by x.position) as f using (position)
order by c.position
