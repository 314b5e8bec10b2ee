-- Conflicts that an operation raised; the first hundred. Grain: conflict.
select k.conflict_id, k.conflict_type as kind, k.field_name, k.inventory_id, k.status, k.severity
from sync_conflicts as k
where k.sync_operation_id = %(operation_id)s
order by k.conflict_id
limit 100
