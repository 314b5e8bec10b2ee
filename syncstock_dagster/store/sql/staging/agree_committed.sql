-- From now on the article and its source agree on what was committed, and on what was the same already. Grain:
-- article.
with said as (
  select distinct on (c.inventory_id) c.inventory_id, c.remote, v.product_data as state
  from run_commit as c
  join products as p using (inventory_id)
  join product_versions as v on v.inventory_id = p.inventory_id and v.version_number = p.version
  where c.problem is null
  order by c.inventory_id, c.staging_id desc),
patches as (
  select s.inventory_id,
         case when s.state || s.remote = s.state then s.remote  -- all of it, as nearly always
         else (
           select coalesce(jsonb_object_agg(e.key, e.value), '{}')
           from jsonb_each(s.remote) as e
           where s.state -> e.key is not distinct from nullif(e.value, 'null'))
         end as fields
  from said as s
  offset 0)  -- or it is worked out wherever it is named
insert into product_syncs as y (inventory_id, system, remote, agreed)
select p.inventory_id, %(source)s, p.fields, p.fields
from patches as p
where p.fields <> '{}'
order by p.inventory_id
on conflict (inventory_id, system) do update
  set remote = y.remote || excluded.remote, agreed = y.agreed || excluded.agreed, synced_at = clock_timestamp()
