-- Everything contested leaves force, so that the unique index never sees two of one identity at once.
-- Grain: movement.
update movements as m
set state = 'duplicate'
from run_contenders as c
where m.movement_id = c.movement_id and m.state = 'in_force'
