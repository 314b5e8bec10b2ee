-- A field that has changed here since the change was staged is a conflict: both sides have moved. Grain: staged row
-- and field.
with conflicts as (
  select c.staging_id, c.inventory_id, f.key as field, jsonb_build_object('value', s.state -> f.key) as local_value,
         jsonb_build_object('value', f.value -> 'new') as remote_value
  from run_commit as c
  join product_states as s using (inventory_id)
  cross join lateral jsonb_each(c.change_data) as f
  where c.problem like 'changed meanwhile%%'
    and s.state -> f.key is distinct from nullif(f.value -> 'old', 'null')
    and s.state -> f.key is distinct from nullif(f.value -> 'new', 'null')),
raised as (
  insert into sync_conflicts
    (sync_operation_id, conflict_type, fact, inventory_id, source, field_name, local_value, remote_value, severity,
     staging_id)
  select %(operation_id)s, 'field_mismatch',
         'field_mismatch ' || md5(jsonb_build_array(
           %(source)s::text, k.inventory_id::text, k.field, k.local_value, k.remote_value)::text),
         k.inventory_id, %(source)s, k.field, k.local_value, k.remote_value,
         case when k.field in ('price', 'cost', 'sku', 'unit') then 'high' else 'medium' end, k.staging_id
  from conflicts as k
  order by k.staging_id, k.field
  on conflict (fact) do update
    set status = 'open', staging_id = excluded.staging_id, chosen_side = null, resolved_at = null)
update products_staging as s
set has_conflicts = true
from conflicts as k
where s.staging_id = k.staging_id
