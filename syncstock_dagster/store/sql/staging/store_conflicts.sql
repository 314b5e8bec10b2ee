-- Conflicts, once per fact: one that is open waits with the newest staged row, one that was settled stays so.
-- Grain: conflict.
insert into sync_conflicts
  (sync_operation_id, conflict_type, fact, inventory_id, source, field_name, local_value, remote_value, severity,
   auto_resolvable, status, chosen_side, resolution_strategy, resolved_by, resolution_reason, resolved_at, staging_id)
select distinct on (k.fact)
       %(operation_id)s, k.conflict_type, k.fact, k.inventory_id, %(source)s, k.field, k.local_value, k.remote_value,
       k.severity, k.verdict is not null, case when k.verdict is null then 'open' else 'resolved' end, k.verdict,
       case when k.verdict is not null then k.strategy end, case when k.verdict is not null then k.decided_by end,
       case when k.verdict is not null then 'by policy' end,
       case when k.verdict is not null then clock_timestamp() end, s.staging_id
from run_catalogue_conflicts as k
left join run_stored as s using (position)
order by k.fact, k.position
on conflict (fact) do update
  set staging_id = excluded.staging_id,
      status = case when sync_conflicts.status = 'resolved' then 'resolved' else excluded.status end,
      resolved_at = case when sync_conflicts.status = 'resolved' then sync_conflicts.resolved_at
                         else excluded.resolved_at end
