-- What cannot be committed, and why: the article, or one that would lose a code to it, is locked by somebody; it has
-- moved since the change was staged; it has come meanwhile; or its SKU, id or code belongs to another by now. Of two
-- changes of one commit that want the same, the one that was staged first has it. Whoever wants what another change of
-- the commit gives up fails with that one. Grain: staged row.
with recursive moved as (
  select c.staging_id, string_agg(f.key, ', ' order by f.key) as fields
  from run_commit as c
  join products as p using (inventory_id)
  join product_versions as v on v.inventory_id = p.inventory_id and v.version_number = p.version
  cross join lateral jsonb_each(c.change_data) as f
  where p.version is distinct from c.base_version
    and v.product_data -> f.key is distinct from nullif(f.value -> 'old', 'null')
    and v.product_data -> f.key is distinct from nullif(f.value -> 'new', 'null')
    and c.change_type <> 'create'
  group by c.staging_id),
said as (
  select c.staging_id, c.inventory_id, f.key as field, substr(f.key, 13) as system, e.code,
         min(c.staging_id) over (partition by f.key, case when f.key = 'identifiers.gtin' then lpad(e.code, 14, '0')
                                                          else e.code end) as first_id
  from run_commit as c
  cross join lateral jsonb_each(c.change_data) as f
  cross join lateral jsonb_array_elements_text(nullif(f.value -> 'new', 'null')) as e (code)
  where f.key like 'identifiers.%%'),
-- Each way finds its rows by an index.
elsewhere as (
  select s.staging_id, s.field, s.code, x.inventory_id as holder_id
  from said as s
  join product_identifiers as x on x.system = s.system and x.identifier = s.code
  where x.inventory_id is distinct from s.inventory_id
  union all
  select s.staging_id, s.field, s.code, x.inventory_id as holder_id
  from said as s
  join product_identifiers as x on x.system = 'gtin' and lpad(x.identifier, 14, '0') = lpad(s.code, 14, '0')
  where s.system = 'gtin' and x.inventory_id is distinct from s.inventory_id),
held as (
  select s.staging_id, s.field, s.code, s.holder_id,
         case when h.sync_locked and h.sync_locked_until > clock_timestamp() and h.sync_locked_by <> %(who)s
              then h.sync_locked_by end as locked_by,
         g.staging_id is not null as is_given_up
  from elsewhere as s
  join products as h on h.inventory_id = s.holder_id
  left join run_commit as g
    on g.inventory_id = s.holder_id and g.change_data ? s.field
    and not coalesce(nullif(g.change_data -> s.field -> 'new', 'null') ? s.code, false)),
kept as (
  select h.staging_id, min(h.code) as code, min(h.locked_by) as locked_by
  from held as h
  where h.locked_by is not null
  group by h.staging_id),
taken as (
  select h.staging_id, min(h.code) as code
  from held as h
  where not h.is_given_up
    and not exists (
      select from sync_conflicts as k
      where k.staging_id = h.staging_id and k.conflict_type = 'identifier_taken' and k.field_name = h.field
        and k.chosen_side = 'remote')
  group by h.staging_id
  union all
  select s.staging_id, min(s.code)
  from said as s
  where s.first_id <> s.staging_id
  group by s.staging_id),
renamed as (
  select c.staging_id, r.inventory_id as holder_id, g.staging_id is not null as is_given_up
  from run_commit as c
  join products as r
    on r.sku = c.change_data -> 'sku' ->> 'new' and r.inventory_id is distinct from c.inventory_id
  left join run_commit as g on g.inventory_id = r.inventory_id and g.change_data -> 'sku' ->> 'new' <> r.sku),
named as (
  select c.staging_id, n.sku,
         min(c.staging_id) over (partition by n.sku) as first_of_sku,
         min(c.staging_id) over (partition by c.change_type, c.inventory_id) as first_of_id
  from run_commit as c
  cross join lateral (
    select coalesce(c.change_data -> 'sku' ->> 'new', case when c.change_type = 'create' then c.sku end) as sku) as n
  where n.sku is not null),
-- The article of a change, or one that has its SKU by now.
found as (
  select c.staging_id, p.*
  from run_commit as c
  join products as p using (inventory_id)
  union all
  select c.staging_id, p.*
  from run_commit as c
  join products as p using (sku)
  where c.change_type = 'create' and p.inventory_id is distinct from c.inventory_id),
problems as (
  select c.staging_id, c.inventory_id,
         case
           when p.sync_locked and p.sync_locked_until > clock_timestamp() and p.sync_locked_by <> %(who)s
             then 'locked by ' || p.sync_locked_by
           when c.change_type = 'create' and (not p.is_placeholder or p.sku <> c.sku
                                              or c.inventory_id is not null and n.first_of_id <> c.staging_id)
             then 'it exists by now'
           when c.change_type <> 'create' and p.inventory_id is null then 'it is not there'
           when m.fields is not null then 'changed meanwhile: ' || m.fields
           when k.code is not null then 'the code ' || k.code || ' belongs to an article locked by ' || k.locked_by
           when t.code is not null then 'the code ' || t.code || ' belongs to another article by now'
           when not r.is_given_up or n.first_of_sku <> c.staging_id
             then 'the SKU belongs to another article by now'
         end as problem
  from run_commit as c
  left join found as p using (staging_id)
  left join renamed as r using (staging_id)
  left join moved as m using (staging_id)
  left join named as n using (staging_id)
  left join kept as k using (staging_id)
  left join taken as t using (staging_id)),
waiting as (
  select h.staging_id, h.holder_id, 'the code ' || h.code || ' belongs to another article by now' as problem
  from held as h
  where h.is_given_up
  union all
  select r.staging_id, r.holder_id, 'the SKU belongs to another article by now'
  from renamed as r
  where r.is_given_up),
failed as (
  select p.staging_id, p.inventory_id, p.problem
  from problems as p
  where p.problem is not null
  union
  select w.staging_id, c.inventory_id, w.problem
  from failed as f
  join waiting as w on w.holder_id = f.inventory_id
  join run_commit as c on c.staging_id = w.staging_id)
update run_commit as c
set problem = p.problem
from (select f.staging_id, min(f.problem) as problem from failed as f group by f.staging_id) as p
where p.staging_id = c.staging_id
