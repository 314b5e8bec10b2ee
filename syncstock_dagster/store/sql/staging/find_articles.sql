-- Which article each change is about: the id given, else the exact SKU, else, without a SKU, the one that has the
-- source's own code. Of one article twice in a call, the later row counts. The newest version is the state (audit
-- L02). An article whose creation was rolled back comes again. With it, what differs from the article as it is, and
-- whether both sides have moved since they agreed last; what the source said before is no news: a local change since
-- then stands. Grain: change.
with said as (
  select r.position, r.sku, r.inventory_id, r.change_type, r.modified_at,
         case when r.change_type = 'delete' then '{"is_active": false}'::jsonb else r.fields end as fields
  from raw_changes as r),
found as (
  select s.*, coalesce(i.inventory_id, p.inventory_id, x.inventory_id) as article
  from said as s
  left join products as i on i.inventory_id = s.inventory_id
  left join products as p on p.sku = s.sku and s.inventory_id is null
  left join lateral (
    select min(c.inventory_id) as inventory_id
    from jsonb_array_elements_text(nullif(s.fields -> ('identifiers.' || %(source)s), 'null')) as e (code)
    join product_identifiers as c on c.system = %(source)s and c.identifier = e.code
    where s.sku is null and s.inventory_id is null
    having count(distinct c.inventory_id) = 1) as x on true),
-- An id given with another SKU renames the article.
named as (
  select f.position, f.article, f.inventory_id as asked_id, coalesce(t.state ->> 'sku', f.sku) as sku,
         case when f.article is null then 'create'
              when f.change_type = 'delete' then 'delete' else 'update' end as change_type,
         f.change_type = 'create' as is_said_new, f.change_type as asked, t.version, t.state,
         f.fields || case when f.inventory_id is not null and f.sku <> t.state ->> 'sku'
                          then jsonb_build_object('sku', f.sku) else '{}' end
                  || case when t.state -> 'is_active' = 'false' and not f.fields ? 'is_active' and 'rollback' = (
                            select v.change_source
                            from product_versions as v
                            where v.inventory_id = f.article and 'is_active' = any(v.changed_fields)
                            order by v.version_number desc
                            limit 1)
                          and exists (
                            select from product_versions as v
                            join sync_operations as o using (operation_id)
                            where v.inventory_id = f.article and v.version_number = 1
                              and o.status in ('rolled_back', 'partly'))
                          then '{"is_active": true}'::jsonb else '{}' end as fields,
         f.modified_at
  from found as f
  left join (
    select p.inventory_id, p.version, v.product_data as state
    from products as p
    join product_versions as v on v.inventory_id = p.inventory_id and v.version_number = p.version
  ) as t on t.inventory_id = f.article),
latest as (
  select distinct on (n.article, case when n.article is null then n.sku end) n.*
  from named as n
  where n.sku is not null and (n.article is not null or n.asked is distinct from 'delete')
  order by n.article, case when n.article is null then n.sku end, n.position desc)
insert into run_changes
  (position, inventory_id, asked_id, sku, change_type, is_said_new, version, remote, modified_at, change_data, standing,
   contested, is_news)
select l.position, l.article, l.asked_id, l.sku, l.change_type, coalesce(l.is_said_new, false), l.version, l.fields,
       l.modified_at, coalesce(d.change_data, '{}'), coalesce(d.standing, '{}'), coalesce(d.contested, '{}'),
       coalesce(d.is_news, false)
from latest as l
left join product_syncs as y on y.inventory_id = l.article and y.system = %(source)s
cross join lateral (
  select jsonb_object_agg(f.key, jsonb_build_object('old', f.old, 'new', f.new)) filter (where f.differs)
           as change_data,
         array_agg(f.key) filter (where f.differs and f.stands) as standing,
         array_agg(f.key) filter (
           where f.differs and not f.stands and y.remote ? f.key
             and nullif(y.agreed -> f.key, 'null') is distinct from f.old) as contested,
         bool_or((y.remote -> f.key, y.agreed -> f.key) is distinct from (f.value, f.value))
           filter (where not f.differs) as is_news
  from (
    select v.key, v.value, v.old, v.new, v.old is distinct from v.new as differs,
           y.remote ? v.key and nullif(y.remote -> v.key, 'null') is not distinct from v.new as stands
    from (
      select e.key, e.value, l.state -> e.key as old, nullif(e.value, 'null') as new
      from jsonb_each(l.fields) as e
      offset 0) as v  -- or it is worked out wherever it is named
    ) as f) as d
