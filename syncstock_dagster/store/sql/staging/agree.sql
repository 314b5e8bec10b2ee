-- What the source said is remembered for every field that needs no decision any more: that agrees, or where the
-- local value won. What waits, or stands though the source says otherwise as before, keeps its base. Whole documents
-- less what differs, for most fields of most articles agree. Grain: article.
with differing as (
  select f.position, array_agg(f.field) as fields
  from run_fields as f
  group by f.position),
lost as (
  select c.position, jsonb_object_agg(e.key, e.value) as remote,
         jsonb_object_agg(e.key, coalesce(c.state -> e.key, 'null')) as agreed
  from run_catalogue_conflicts as k
  join run_changes as c using (position)
  cross join lateral jsonb_each(c.remote) as e
  where k.verdict = 'local' and k.field in (e.key, 'sku')
  group by c.position),
patches as (
  select c.inventory_id, s.same || coalesce(l.remote, '{}') as remote, s.same || coalesce(l.agreed, '{}') as agreed
  from run_changes as c
  left join differing as d using (position)
  left join lost as l using (position)
  cross join lateral (select c.remote - coalesce(d.fields, '{}') as same) as s
  where c.inventory_id is not null)
insert into product_syncs as y (inventory_id, system, remote, agreed)
select p.inventory_id, %(source)s, p.remote, p.agreed
from patches as p
left join product_syncs as o on o.inventory_id = p.inventory_id and o.system = %(source)s
-- Asked before: on conflict locks and writes also what it leaves as it is.
where case when o.inventory_id is null then p.remote <> '{}'
           else (o.remote || p.remote, o.agreed || p.agreed) is distinct from (o.remote, o.agreed) end
order by p.inventory_id
on conflict (inventory_id, system) do update
  set remote = y.remote || excluded.remote, agreed = y.agreed || excluded.agreed, synced_at = clock_timestamp()
