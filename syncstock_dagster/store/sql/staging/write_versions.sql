-- The versions of a commit, once all parts of its articles are there, and their events. One change is all that this
-- operation did to each of these articles: its new values are told as the patch of the version before. In any order, for
-- whoever comes here has the article's row for himself. Grain: article.
with author as (
  select o.created_by, coalesce(nullif(current_setting('syncstock.change_source', true), ''), o.operation_type) as source
  from sync_operations as o
  where o.operation_id = %(operation_id)s),
changes as (
  select c.inventory_id, f.patch
  from run_commit as c
  cross join lateral (
    select case c.change_type when 'create'
             then jsonb_build_object('sku', c.sku, 'unit', 'each', 'is_active', true) else '{}' end
           || coalesce(jsonb_object_agg(e.key, e.value -> 'new'), '{}') as patch
    from jsonb_each(c.change_data) as e) as f
  where c.problem is null and (c.change_type = 'create' or c.change_data <> '{}')
    and c.inventory_id not in (select r.inventory_id from run_restated as r)),
states as (
  select p.inventory_id, p.version, b.product_data as before, t.patch,
         jsonb_strip_nulls(coalesce(b.product_data, '{}') || t.patch) as state
  from changes as c
  join products as p using (inventory_id)
  left join product_versions as b on b.inventory_id = p.inventory_id and b.version_number = p.version - 1
  -- Of a placeholder it may have changed, too, that it is one.
  cross join lateral (
    select case when b.product_data ? 'is_placeholder'
                then c.patch || jsonb_build_object('is_placeholder', nullif(p.is_placeholder, false))
                else c.patch end as patch) as t
  offset 0),  -- or a state is put together wherever it is named
written as (
  insert into product_versions as v
    (inventory_id, version_number, product_data, changed_fields, change_type, change_source, changed_by, operation_id)
  select s.inventory_id, s.version, s.state,
         array(select f.field from changed_fields(s.before, s.state, s.patch) as f (field)),
         case when s.before is null then 'create'
              when s.before -> 'is_active' = 'true' and s.state -> 'is_active' = 'false' then 'delete'
              else 'update' end,
         a.source, a.created_by, %(operation_id)s
  from states as s
  cross join author as a
  returning v.inventory_id, v.version_number, v.change_type, v.product_data ->> 'sku' as sku)
insert into sync_events (event_type, entity_type, entity_id, payload, operation_id)
select 'entity.' || w.change_type || 'd', 'product', w.inventory_id::text,
       jsonb_build_object('sku', w.sku, 'version', w.version_number), %(operation_id)s
from written as w
