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
  select c.staging_id, c.inventory_id, f.field, substr(f.field, 13) as system, e.code,
         min(c.staging_id) over (partition by f.field, case when f.field = 'identifiers.gtin' then lpad(e.code, 14, '0')
                                                            else e.code end) as first_id
  from run_parts as f
  join run_commit as c using (staging_id)
  cross join lateral jsonb_array_elements_text(f.new) as e (code)
  where f.field like 'identifiers.%%'),
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
  left join run_commit as g on g.inventory_id = r.inventory_id and g.change_data -> 'sku' ->> 'new' <> r.sku
  where c.change_data ? 'sku'),
named as (
  select c.staging_id, n.sku,
         min(c.staging_id) over (partition by n.sku) as first_of_sku,
         min(c.staging_id) over (partition by c.change_type, c.inventory_id) as first_of_id
  from run_commit as c
  cross join lateral (
    select coalesce(c.change_data -> 'sku' ->> 'new', case when c.change_type = 'create' then c.sku end) as sku) as n
  where n.sku is not null),
-- Articles that somebody else works on.
locked as (
  select p.inventory_id, p.sku, p.sync_locked_by
  from products as p
  where p.sync_locked and p.sync_locked_until > clock_timestamp() and p.sync_locked_by <> %(who)s),
found as (
  select c.staging_id, 1 as rank, 'locked by ' || l.sync_locked_by as problem
  from run_commit as c
  join locked as l using (inventory_id)
  union all
  select c.staging_id, 1, 'locked by ' || l.sync_locked_by
  from run_commit as c
  join locked as l using (sku)
  where c.change_type = 'create'
  union all
  select c.staging_id, 2, 'it exists by now'
  from run_commit as c
  join products as p on p.sku = c.sku
  where c.change_type = 'create' and not p.is_placeholder
  union all
  select c.staging_id, 2, 'it exists by now'
  from run_commit as c
  join named as n using (staging_id)
  left join products as p using (inventory_id)
  where c.change_type = 'create' and not c.has_new_id
    and (not p.is_placeholder or p.sku <> c.sku or n.first_of_id <> c.staging_id)
  union all
  select c.staging_id, 3, 'it is not there'
  from run_commit as c
  where c.change_type <> 'create' and not exists (select from products as p where p.inventory_id = c.inventory_id)
  union all
  select m.staging_id, 4, 'changed meanwhile: ' || m.fields
  from moved as m
  union all
  select k.staging_id, 5, 'the code ' || k.code || ' belongs to an article locked by ' || k.locked_by
  from kept as k
  union all
  select t.staging_id, 6, 'the code ' || t.code || ' belongs to another article by now'
  from taken as t
  union all
  select r.staging_id, 7, 'the SKU belongs to another article by now'
  from renamed as r
  where not r.is_given_up
  union all
  select n.staging_id, 7, 'the SKU belongs to another article by now'
  from named as n
  where n.first_of_sku <> n.staging_id),
problems as (
  select distinct on (f.staging_id) f.staging_id, c.inventory_id, f.problem
  from found as f
  join run_commit as c using (staging_id)
  order by f.staging_id, f.rank, f.problem),
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
  union
  select w.staging_id, c.inventory_id, w.problem
  from failed as f
  join waiting as w on w.holder_id = f.inventory_id
  join run_commit as c on c.staging_id = w.staging_id)
update run_commit as c
set problem = p.problem
from (select f.staging_id, min(f.problem) as problem from failed as f group by f.staging_id) as p
where p.staging_id = c.staging_id
