-- Every state of an article, oldest first. Grain: version.
select v.inventory_id, v.version_number as version, v.change_type, v.changed_fields, v.product_data as state,
       v.change_source, v.changed_by, v.recorded_at, o.operation_uuid::text as operation_uuid
from product_versions as v
left join sync_operations as o using (operation_id)
where v.inventory_id = %(inventory_id)s
order by v.version_number
