-- Conflicts with both values. Grain: conflict.
select k.conflict_id, k.conflict_type as kind, k.status, k.severity, k.source, k.document, k.line,
       k.field_name as field, k.auto_resolvable, k.staging_id,
       k.inventory_id, p.sku, l.code as location, k.local_value, k.remote_value, k.resolution_strategy,
       k.resolved_by, k.resolution_reason, k.raised_at, k.resolved_at
from sync_conflicts as k
left join products as p using (inventory_id)
left join locations as l using (location_id)
where not %(open_only)s or k.status = 'open'
order by k.conflict_id
