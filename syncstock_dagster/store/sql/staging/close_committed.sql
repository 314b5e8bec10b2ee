-- What was committed, by which operation, and what the source had said before: a rollback goes back to it. Grain:
-- staged row.
update products_staging as s
set status = 'committed', commit_operation_id = %(operation_id)s, source_product_id = c.inventory_id, problem = null,
    decided_by = coalesce(s.decided_by, %(who)s), decided_at = coalesce(s.decided_at, clock_timestamp()),
    decision_reason = coalesce(s.decision_reason, %(reason)s),
    said_before = case when y.remote is not null then jsonb_build_object('remote', y.remote, 'agreed', y.agreed) end
from run_commit as c
left join product_syncs as y on y.inventory_id = c.inventory_id and y.system = %(source)s
where c.staging_id = s.staging_id and c.problem is null
