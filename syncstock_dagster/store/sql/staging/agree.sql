-- What the source said is remembered for every field that needs no decision any more: that agrees, or where the
-- local value won. What waits, or stands though the source says otherwise as before, keeps its base. Grain: article.
with lost as (
  select c.position, jsonb_object_agg(e.key, e.value) as remote,
         jsonb_object_agg(e.key, case when c.change_data ? e.key then c.change_data -> e.key -> 'old' else e.value end)
           as agreed
  from run_catalogue_conflicts as k
  join run_changes as c using (position)
  cross join lateral jsonb_each(c.remote) as e
  where k.verdict = 'local' and k.field in (e.key, 'sku')
  group by c.position)
insert into product_syncs as y (inventory_id, system, remote, agreed)
select c.inventory_id, %(source)s, s.same || coalesce(l.remote, '{}'), s.same || coalesce(l.agreed, '{}')
from run_changes as c
left join lost as l using (position)
cross join lateral (
  select c.remote - array(select f.field from jsonb_object_keys(c.change_data) as f (field)) as same) as s
-- Asked before: on conflict locks and writes also what it leaves as it is.
where c.inventory_id is not null and (c.is_news or l.position is not null)
order by c.inventory_id
on conflict (inventory_id, system) do update
  set remote = y.remote || excluded.remote, agreed = y.agreed || excluded.agreed, synced_at = clock_timestamp()
