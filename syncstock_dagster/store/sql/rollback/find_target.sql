-- Whose evidence moves: rolling back the rollback of a rollback withdraws again what the first one withdrew,
-- so two rollbacks in a row cancel out. Grain: one row.
with recursive chain as (
  select %(requested_id)s::bigint as operation_id, 0 as depth
  union all
  select r.original_operation_id, c.depth + 1
  from chain as c
  join sync_rollbacks as r on r.rollback_operation_id = c.operation_id)
select operation_id
from chain
where depth %% 2 = 0
  and depth + 1 >= (select max(depth) from chain)
order by depth
limit 1
