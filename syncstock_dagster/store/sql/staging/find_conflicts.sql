-- Changes that contradict what is here: fields that both sides moved, a code that another article has, a SKU that
-- differs from another by case or blanks only (also from one that another source would create; a source that has both
-- means two articles), and something new that is there already with another content.
-- Grain: change, kind and field.
with codes as (
  select c.position, f.key as field, substr(f.key, 13) as system, e.code, c.inventory_id, c.sku,
         case when f.key = 'identifiers.gtin' then lpad(e.code, 14, '0') else e.code end as number
  from run_changes as c
  cross join lateral jsonb_object_keys(c.change_data) as f (key)
  cross join lateral jsonb_array_elements_text(nullif(c.change_data -> f.key -> 'new', 'null')) as e (code)
  where f.key like 'identifiers.%%'),
taken as (
  select c.position, c.field, c.inventory_id, c.code, c.sku, p.sku as holder
  from codes as c
  join product_identifiers as x on x.system = c.system and x.identifier = c.code
  join products as p on p.inventory_id = x.inventory_id
  where x.inventory_id is distinct from c.inventory_id
  union all
  select c.position, c.field, c.inventory_id, c.code, c.sku, p.sku
  from codes as c
  join product_identifiers as x
    on x.system = 'gtin' and lpad(x.identifier, 14, '0') = lpad(c.code, 14, '0') and x.identifier <> c.code
  join products as p on p.inventory_id = x.inventory_id
  where c.system = 'gtin' and x.inventory_id is distinct from c.inventory_id
  union all
  -- Two changes of one call with one code: the first of them has it.
  select c.position, c.field, c.inventory_id, c.code, c.sku, o.sku
  from codes as c
  join codes as o on o.field = c.field and o.number = c.number and o.position < c.position),
conflicts as (
  select c.position, 'field_mismatch' as conflict_type, f.field, c.inventory_id,
         jsonb_build_object('value', c.change_data -> f.field -> 'old') as local_value,
         jsonb_build_object('value', c.change_data -> f.field -> 'new') as remote_value,
         case when f.field in ('price', 'cost', 'sku', 'unit') then 'high' else 'medium' end as severity
  from run_changes as c
  cross join lateral unnest(c.contested) as f (field)
  union all
  select distinct on (t.position, t.field) t.position, 'identifier_taken', t.field, t.inventory_id,
         jsonb_build_object('sku', t.holder, 'code', t.code), jsonb_build_object('sku', t.sku, 'code', t.code),
         'critical'
  from taken as t
  union all
  select t.position, 'case_twin', 'sku', null, jsonb_build_object('sku', min(t.twin)),
         jsonb_build_object('sku', t.sku), 'high'
  from (
    select c.position, c.sku, p.sku as twin
    from run_changes as c
    join products as p on lower(btrim(p.sku)) = lower(btrim(c.sku)) and p.sku <> c.sku
    where c.change_type = 'create'
    union all
    select c.position, c.sku, s.sku
    from run_changes as c
    join products_staging as s on lower(btrim(s.sku)) = lower(btrim(c.sku)) and s.sku <> c.sku
    where c.change_type = 'create' and s.change_type = 'create' and s.is_open
      and s.source <> %(source)s
      and not exists (
        select from products_staging as e
        where e.source = s.source and e.sku = c.sku and e.is_open)) as t
  group by t.position, t.sku
  union all
  select c.position, 'exists_with_different_content', 'sku', c.inventory_id,
         jsonb_build_object('sku', c.sku) || jsonb_object_agg(f.key, f.value -> 'old'),
         jsonb_build_object('sku', c.sku) || jsonb_object_agg(f.key, f.value -> 'new'), 'medium'
  from run_changes as c
  cross join lateral jsonb_each(c.change_data) as f
  where c.is_said_new and c.inventory_id is not null
  group by c.position, c.sku, c.inventory_id)
insert into run_catalogue_conflicts
  (position, conflict_type, field, inventory_id, local_value, remote_value, severity, fact, strategy)
select k.position, k.conflict_type, k.field, k.inventory_id, k.local_value, k.remote_value, k.severity,
       k.conflict_type || ' ' || md5(jsonb_build_array(
         %(source)s::text, coalesce(k.inventory_id::text, c.sku), k.field, k.local_value, k.remote_value)::text),
       coalesce(
         %(strategies)s::jsonb ->> k.field, %(strategies)s::jsonb ->> split_part(k.field, '.', 1),
         %(strategies)s::jsonb ->> k.conflict_type, %(strategies)s::jsonb ->> '*', 'manual')
from conflicts as k
join run_changes as c using (position)
