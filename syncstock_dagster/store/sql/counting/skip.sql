-- Lines of a plan that nobody counts; what was counted meanwhile stays counted. Grain: plan and article.
update count_plan_lines as n
set skipped_by = %(operation_id)s, skipped_because = %(reason)s
from count_plan_status as s
where n.plan_id = %(plan_id)s and s.plan_id = n.plan_id and s.inventory_id = n.inventory_id and s.status = 'planned'
  and (%(inventory_ids)s::bigint[] is null or n.inventory_id = any(%(inventory_ids)s))
