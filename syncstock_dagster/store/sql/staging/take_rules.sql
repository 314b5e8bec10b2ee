-- What a rule decided. Grain: conflict.
update run_catalogue_conflicts as k
set verdict = t.side, decided_by = k.strategy
from jsonb_to_recordset(%(told)s::jsonb) as t (position int, conflict_type text, field text, side text)
where k.position = t.position and k.conflict_type = t.conflict_type and k.field = t.field
