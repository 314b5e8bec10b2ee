-- The movements' own entries, and the opposite of all adjustments of counts that leave force.
-- Grain: entry.
insert into run_entries
select %(step)s, inventory_id, location_id, effective_at, 'movement'::entry_type, delta, events, source_id,
       movement_id, reason
from run_deltas
union all
select %(step)s, c.inventory_id, c.location_id, c.counted_at, 'adjustment'::entry_type, -c.old_variance, -1,
       null, null, 'count withdrawn'
from run_count_changes as c
where c.new_quantity is null
