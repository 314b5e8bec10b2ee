-- The opposite of all adjustments of counts that leave force. Grain: entry.
insert into run_entries
select %(step)s, c.inventory_id, c.location_id, c.counted_at, 'adjustment'::entry_type, -c.old_variance, -1,
       null, null, 'count withdrawn'
from run_count_changes as c
where c.new_quantity is null
