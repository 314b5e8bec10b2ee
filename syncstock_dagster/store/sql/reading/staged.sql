-- Changes that wait or waited, newest first. Grain: staged row.
select s.staging_id, s.sku, s.source, s.change_type, s.change_data, s.status, s.has_conflicts, s.problem,
       s.source_product_id as inventory_id, s.base_version, s.staged_by, s.staged_at, s.decided_by,
       s.decision_reason, o.operation_uuid::text as operation_uuid
from products_staging as s
join sync_operations as o on o.operation_id = s.sync_operation_id
where (%(statuses)s::text[] is null or s.status = any(%(statuses)s::text[]))
  and (%(source)s::text is null or s.source = %(source)s::text)
  and (%(operation)s::text is null or o.operation_uuid::text = %(operation)s::text)
order by s.staging_id desc
limit %(limit)s
