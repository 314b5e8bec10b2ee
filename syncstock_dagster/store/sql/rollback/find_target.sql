-- The chain of what is undone: the operation asked for, what it undid itself, and so on to the one that undid
-- nothing. Selections are those by which each was undone. Grain: operation, in this order.
with recursive chain as (
  select %(requested_id)s::bigint as operation_id, null::jsonb as selection, 0 as depth
  union all
  select r.original_operation_id, r.selection, c.depth + 1
  from chain as c
  join sync_rollbacks as r on r.rollback_operation_id = c.operation_id and r.is_asked_for)
select operation_id, selection
from chain
order by depth
