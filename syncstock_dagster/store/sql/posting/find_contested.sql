-- Identities of this run that are in force already. Grain: identity.
insert into run_contested
select distinct r.source_id, r.document_key, r.line_key
from run_movements as r
join movements as m using (source_id, document_key, line_key)
where m.state = 'in_force'
