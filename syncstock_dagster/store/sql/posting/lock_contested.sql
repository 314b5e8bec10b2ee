-- Lock every row of the contested identities, in key order. Whoever changes what is in force for an identity
-- holds all its rows, so a later statement reads a state that stays. Grain: movement.
select m.movement_id
from movements as m
where m.movement_id in (
  select o.movement_id from run_contested as c join movements as o using (source_id, document_key, line_key)
  where o.state = 'in_force'
  union all
  select o.movement_id from run_contested as c join movements as o using (source_id, document_key, line_key)
  where o.state <> 'in_force')
order by m.movement_id
for update
