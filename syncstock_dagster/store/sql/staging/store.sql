-- Changes as they wait for review; a row without any differing field, and nothing to create, is none. Nor is a new
-- article that was rejected when the source said the same of it. The very change that somebody has approved stays
-- approved, but for people, who commit at once. Grain: change.
with wanted as (
  select c.position, nextval('products_staging_staging_id_seq') as staging_id
  from run_changes as c
  where (exists (select from run_fields as f where f.position = c.position)
         or (c.change_type = 'create'
             and not exists (
               select from run_catalogue_conflicts as k
               where k.position = c.position and k.field = 'sku' and k.verdict = 'local')))
    and not (c.change_type = 'create' and exists (
      select from products_staging as r
      where r.source = %(source)s and r.sku = c.sku and r.status = 'rejected' and r.change_type = 'create'
        and r.remote = c.remote and r.source <> 'people'))),
kept as (
  insert into run_stored select w.position, w.staging_id from wanted as w),
described as (
  select w.staging_id, c.position, c.inventory_id, c.asked_id, c.sku, c.change_type, c.remote, c.version,
         coalesce(f.data, '{}') as data,
         exists (
           select from run_catalogue_conflicts as k where k.position = c.position and k.verdict is null)
           as has_conflicts
  from wanted as w
  join run_changes as c using (position)
  left join (
    select x.position, jsonb_object_agg(x.field, jsonb_build_object('old', x.old, 'new', x.new)) as data
    from run_fields as x
    group by x.position) as f using (position))
insert into products_staging
  (staging_id, source_product_id, sku, change_type, change_data, remote, source, base_version, has_conflicts,
   sync_operation_id, staged_by, status, decided_by, decided_at, decision_reason)
select d.staging_id, coalesce(d.inventory_id, d.asked_id), d.sku, d.change_type, d.data, d.remote, %(source)s,
       d.version, d.has_conflicts, %(operation_id)s, %(who)s,
       case when a.position is null then 'staged' else 'approved' end, a.decided_by, a.decided_at, a.decision_reason
from described as d
left join run_approvals as a
  on a.position = d.position and (a.change_type, a.change_data, a.remote) = (d.change_type, d.data, d.remote)
  and not d.has_conflicts and %(source)s <> 'people'
order by d.position
