-- An operation's status after what was undone of it, and that of its deliveries. Rollbacks that were undone
-- themselves do not count. Recounts that it settled are open again. Grain: operation.
with effect as (
  select coalesce(bool_or(r.rollback_type = 'full'), false) as is_full, count(*) > 0 as is_any
  from sync_rollbacks as r
  join sync_operations as b on b.operation_id = r.rollback_operation_id
  where r.original_operation_id = %(id)s and r.status = 'done' and b.status not in ('rolled_back', 'failed')),
kind as (
  select exists (select from sync_rollbacks as r where r.rollback_operation_id = %(id)s) as is_rollback,
         exists (select from product_versions as v where v.operation_id = %(id)s) as has_versions),
evidence as (
  select case when k.is_rollback
    then exists (select from movements as m where m.withdrawn_by = %(id)s)
      or exists (select from stock_counts as c where c.withdrawn_by = %(id)s)
      or exists (select from quarantine as q where q.withdrawn_by = %(id)s)
    else exists (select from products_staging as g
                 where g.sync_operation_id = %(id)s and g.is_open)
      or exists (select from deliveries as d join movements as m using (delivery_id)
                 where d.operation_id = %(id)s and m.state <> 'withdrawn')
      or exists (select from deliveries as d join stock_counts as c using (delivery_id)
                 where d.operation_id = %(id)s and c.withdrawn_by is null)
      or exists (select from deliveries as d join quarantine as q using (delivery_id)
                 where d.operation_id = %(id)s and q.state = 'waiting') end as is_left,
    k.is_rollback
    or exists (select from deliveries as d where d.operation_id = %(id)s and d.row_count > 0) as has_any,
    k.has_versions
  from kind as k),
reopened as (
  update recount_lines
  set settled_by = null
  where settled_by = %(id)s),
settled as (
  update sync_operations as o
  set status = case
        when not f.is_any then 'completed'
        when e.is_left then 'partly'
        when f.is_full or (e.has_any and not e.has_versions) then 'rolled_back'
        else 'partly' end::operation_status
  from effect as f, evidence as e
  where o.operation_id = %(id)s
  returning o.operation_id, o.status)
update deliveries as d
set state = case when s.status = 'rolled_back' then 'withdrawn' else 'posted' end::delivery_state
from settled as s
where d.operation_id = s.operation_id and d.state in ('posted', 'withdrawn')
