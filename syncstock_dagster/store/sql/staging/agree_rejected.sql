-- A rejected change is a decision for the local value: the source need not be asked again about what it said.
-- Conflicts that waited with it are settled so. Grain: article and source.
with rejected as (
  select distinct on (s.source_product_id, s.source) s.source_product_id as inventory_id, s.source, s.remote,
         p.state
  from products_staging as s
  join product_states as p on p.inventory_id = s.source_product_id
  where s.staging_id = any(%(staging_ids)s::bigint[])
  order by s.source_product_id, s.source, s.staging_id desc),
settled as (
  update sync_conflicts as k
  set status = 'resolved', chosen_side = 'local', resolution_strategy = 'manual', resolved_by = %(who)s,
      resolution_reason = %(reason)s, resolved_at = clock_timestamp()
  where k.staging_id = any(%(staging_ids)s::bigint[]) and k.status = 'open')
insert into product_syncs as y (inventory_id, system, remote, agreed)
select r.inventory_id, r.source, r.remote,
       (select jsonb_object_agg(e.key, coalesce(r.state -> e.key, 'null')) from jsonb_each(r.remote) as e)
from rejected as r
where r.remote <> '{}' and r.source <> 'people'
order by r.inventory_id, r.source
on conflict (inventory_id, system) do update
  set remote = y.remote || excluded.remote, agreed = y.agreed || excluded.agreed, synced_at = clock_timestamp()
