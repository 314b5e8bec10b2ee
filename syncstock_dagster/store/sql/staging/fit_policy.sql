-- Rows that an operation has staged and that may commit themselves: few, of trusted fields, without conflict. What is
-- new (or comes back), or said where nothing was known, overwrites nothing and may be counted by itself. Grain: row.
with fresh as (
  select s.staging_id, s.change_type, s.change_data, s.has_conflicts,
         %(max_additions)s::numeric is not null and s.change_type <> 'delete'
         and (s.change_data #> '{is_active,old}' is not distinct from 'false'
              or not exists (
                select from jsonb_each(s.change_data) as f where nullif(f.value -> 'old', 'null') is not null))
           as is_addition
  from products_staging as s
  where s.sync_operation_id = %(operation_id)s and s.source = %(source)s and s.status = 'staged'),
-- Once, and not for every row.
numbers as materialized (
  select count(*) filter (where f.is_addition) <= %(max_additions)s::numeric as may_add,
         count(*) filter (where not f.is_addition) <= %(max_changes)s::numeric as may_change
  from fresh as f)
select f.staging_id
from fresh as f
cross join numbers as n
where not f.has_conflicts
  and case when f.is_addition then n.may_add else n.may_change end
  and (f.change_type <> 'delete' or %(deletes)s)
  and (f.change_type <> 'create' or %(creates)s)
  and (%(fields)s::text[] is null
       or not exists (
         select from jsonb_object_keys(f.change_data) as k (field)
         where split_part(k.field, '.', 1) <> all(%(fields)s::text[])))
order by f.staging_id
