-- What a source staged for an article before and nobody committed is replaced by what it says now, also where the
-- article had another SKU then. What was approved of it is remembered, for it may say the same. Conflicts that waited
-- with it are over, unless they are found again. Grain: staged row.
with replaced as (
  select s.staging_id, s.sku, s.status, s.change_type, s.change_data, s.remote, s.decided_by, s.decided_at,
         s.decision_reason
  from products_staging as s
  where s.source = %(source)s and s.status in ('staged', 'approved')
    and (s.sku in (select c.sku from run_changes as c)
         or s.source_product_id in (select c.inventory_id from run_changes as c))
  order by s.staging_id
  for update),
approvals as (
  insert into run_approvals (position, change_type, change_data, remote, decided_by, decided_at, decision_reason)
  select distinct on (c.position)
         c.position, r.change_type, r.change_data, r.remote, r.decided_by, r.decided_at, r.decision_reason
  from replaced as r
  join run_changes as c using (sku)
  where r.status = 'approved'
  order by c.position, r.staging_id desc),
over as (
  update sync_conflicts as k
  set status = 'obsolete', resolved_at = clock_timestamp()
  from replaced as r
  where k.staging_id = r.staging_id and k.status = 'open')
update products_staging as s
set status = 'superseded'
from replaced as r
where s.staging_id = r.staging_id
