-- The very changes that waited already belong to the operation that said them last. What somebody has approved of
-- them stays approved, but with a conflict, and but for people, who commit at once. Grain: staged row.
update products_staging as s
set sync_operation_id = %(operation_id)s, staged_by = %(who)s, base_version = c.version, problem = null,
    has_conflicts = n.has_conflicts,
    status = case when n.is_asked then 'staged' else s.status end,
    decided_by = case when not n.is_asked then s.decided_by end,
    decided_at = case when not n.is_asked then s.decided_at end,
    decision_reason = case when not n.is_asked then s.decision_reason end
from run_stored as r
join run_changes as c using (position)
cross join lateral (
  select exists (select from run_catalogue_conflicts as k where k.position = r.position and k.verdict is null)) as x (has)
cross join lateral (select x.has as has_conflicts, x.has or %(source)s = 'people' as is_asked) as n
where s.staging_id = r.staging_id and r.is_kept
