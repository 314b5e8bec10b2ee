-- What the movements that came by the express lane change: nothing else of this delivery is there yet; advisory ones
-- change nothing. Grain of run_entries: movement.
insert into run_entries
select 1, inventory_id, location_id, effective_at, 'movement'::entry_type, case when advisory then null else quantity end,
       1, source_id, movement_id, reason
from movements
where delivery_id = %(delivery_id)s and state = 'in_force'
