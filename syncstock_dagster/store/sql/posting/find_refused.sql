-- Identities that came more than once in this run: all but the first row were not admitted. Grain: identity.
insert into run_contested
select distinct r.source_id, r.document_key, r.line_key
from run_movements as r
where not exists (select from movements as m where m.movement_id = r.movement_id)
on conflict do nothing
