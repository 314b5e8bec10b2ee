-- The staged rows that a commit takes, locked in order; those with open conflicts are not among them. Whoever waited
-- for another's commit sees its outcome, for a locked row is judged anew. What is to be created has its id from here
-- on. Grain: staged row.
with wanted as (
  select s.staging_id, s.source_product_id, s.sku, s.change_type, s.change_data, s.remote,
         s.base_version
  from products_staging as s
  where s.source = %(source)s and s.status = any(%(statuses)s::text[]) and s.is_open and not s.has_conflicts
    and (%(staging_ids)s::bigint[] is null or s.staging_id in (select i.id from unnest(%(staging_ids)s::bigint[]) as i (id)))
    and (%(uuid)s::text is null
         or s.sync_operation_id = (select o.operation_id from sync_operations as o
                                   where o.operation_uuid::text = %(uuid)s::text))
  order by s.staging_id
  for update)
insert into run_commit
  (staging_id, inventory_id, has_new_id, sku, change_type, change_data, remote, base_version)
select w.staging_id,
       coalesce(w.source_product_id, case when w.change_type = 'create' then nextval('inventory_id_seq') end),
       w.source_product_id is null, w.sku, w.change_type, w.change_data, w.remote, w.base_version
from wanted as w
