-- The identity that a conflict of movements is about. Grain: identity.
insert into run_contested
select m.source_id, m.document_key, m.line_key
from sync_conflicts as k
join movements as m using (movement_id)
where k.conflict_id = %(conflict_id)s
on conflict do nothing
