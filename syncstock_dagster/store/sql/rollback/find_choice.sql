-- The choice about an article that an operation was, and what became of the change that waited for it. Grain: conflict.
select k.chosen_side, k.field_name, coalesce(k.remote_value ->> 'value', k.remote_value ->> 'code', s.sku) as remote,
       coalesce(s.sku, p.sku) as sku, s.staging_id, s.status, c.operation_uuid::text as commit_uuid
from sync_conflicts as k
left join products as p using (inventory_id)
left join products_staging as s using (staging_id)
left join sync_operations as c on c.operation_id = s.commit_operation_id
where k.resolved_operation_id = %(requested_id)s and k.field_name is not null
