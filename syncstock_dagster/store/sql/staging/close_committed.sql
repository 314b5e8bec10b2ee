-- What was committed, by which operation. Grain: staged row.
update products_staging as s
set status = 'committed', commit_operation_id = %(operation_id)s, source_product_id = c.inventory_id, problem = null,
    decided_by = coalesce(s.decided_by, %(who)s), decided_at = coalesce(s.decided_at, clock_timestamp()),
    decision_reason = coalesce(s.decision_reason, %(reason)s)
from run_commit as c
where c.staging_id = s.staging_id and c.problem is null
