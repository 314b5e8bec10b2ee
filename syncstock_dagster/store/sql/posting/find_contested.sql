-- Identities of this run that are in force already. Grain: identity.
insert into run_contested
select distinct r.source_id, r.document_key, r.line_key
from run_movements as r
where exists (
  select from movements as m
  where (m.source_id, m.document_key, m.line_key) = (r.source_id, r.document_key, r.line_key) and m.state = 'in_force'
  offset 0)  -- or the planner reads and hashes the whole table
