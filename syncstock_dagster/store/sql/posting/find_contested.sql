-- Identities of which a row of this run found another one in force. Grain: identity.
insert into run_contested
select distinct m.source_id, m.document_key, m.line_key
from run_movements as m
where not exists (select from run_deltas as d where d.movement_id = m.movement_id)
