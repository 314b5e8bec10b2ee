-- A person chooses one content of an identity: the conflict's own, or the one that was in force.
-- Grain: movement; both legs of a transfer.
update movements as m
set chosen_by = %(operation_id)s
from sync_conflicts as k
join movements as n using (movement_id)
where k.conflict_id = %(conflict_id)s
  and m.source_id = n.source_id and m.document_key = n.document_key and m.line_key = n.line_key
  and case when %(keep)s = 'new'
    then m.state <> 'withdrawn' and m.delivery_id = n.delivery_id and m.position = n.position
    else m.movement_id in (select b.movement_id from run_before as b) end
