-- What the source said is remembered for every field that needs no decision any more: that agrees, or where the
-- local value won. What waits, or stands though the source says otherwise as before, keeps its base. Grain: article.
with settled as (
  select c.position, c.inventory_id, c.remote, c.state
  from run_changes as c
  where c.inventory_id is not null),
patches as (
  select s.inventory_id,
         jsonb_object_agg(e.key, e.value) as remote,
         jsonb_object_agg(e.key, coalesce(s.state -> e.key, 'null')) as agreed
  from settled as s
  cross join lateral jsonb_each(s.remote) as e
  where s.state -> e.key is not distinct from nullif(e.value, 'null')
     or exists (
       select from run_catalogue_conflicts as k
       where k.position = s.position and k.verdict = 'local' and k.field in (e.key, 'sku'))
  group by s.inventory_id)
insert into product_syncs as y (inventory_id, system, remote, agreed)
select p.inventory_id, %(source)s, p.remote, p.agreed
from patches as p
order by p.inventory_id
on conflict (inventory_id, system) do update
  set remote = y.remote || excluded.remote, agreed = y.agreed || excluded.agreed, synced_at = clock_timestamp()
  where (y.remote || excluded.remote, y.agreed || excluded.agreed) is distinct from (y.remote, y.agreed)
