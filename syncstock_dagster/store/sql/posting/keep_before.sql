-- The rows in force for the contested identities before this run touched them. Grain: movement.
insert into run_before
select m.*
from run_contested as c
join movements as m using (source_id, document_key, line_key)
where m.state = 'in_force'
  and not exists (select from run_entries as e where e.movement_id = m.movement_id)
