-- Every state of the categories that have or had a name, oldest first. Grain: version.
select v.category_id, v.version_number as version, v.change_type, v.changed_fields, v.category_data as state,
       v.change_source, v.changed_by, v.recorded_at, o.operation_uuid::text as operation_uuid
from category_versions as v
left join sync_operations as o using (operation_id)
where v.category_id in (
  select n.category_id from category_versions as n where n.category_data ->> 'name' = %(category)s)
order by v.category_id, v.version_number
