-- A conflict that a person settled, and how. Grain: conflict.
update sync_conflicts
set status = 'resolved', resolved_at = clock_timestamp(), resolved_by = %(who)s,
    resolution_reason = %(reason)s, resolution_strategy = %(strategy)s, resolved_operation_id = %(operation_id)s
where conflict_id = %(conflict_id)s
