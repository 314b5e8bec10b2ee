-- The staged rows that a commit takes, locked; those with open conflicts are not among them. Grain: staged row.
with wanted as (
  select s.staging_id
  from products_staging as s
  where s.source = %(source)s and s.status = any(%(statuses)s::text[]) and not s.has_conflicts
    and (%(staging_ids)s::bigint[] is null or s.staging_id in (select i.id from unnest(%(staging_ids)s::bigint[]) as i (id)))
  order by s.staging_id
  for update)
insert into run_commit (staging_id, inventory_id, sku, change_type, change_data, remote)
select s.staging_id, s.source_product_id, s.sku, s.change_type, s.change_data, s.remote
from wanted as w
join products_staging as s using (staging_id)
where s.status = any(%(statuses)s::text[]) and not s.has_conflicts
