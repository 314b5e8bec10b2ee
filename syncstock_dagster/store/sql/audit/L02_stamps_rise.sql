-- Entries of two operations with one stamp, or stamps that fall in the order of posting.
-- Grain: article, location, operation.
select inventory_id, location_id, operation_id, stamp
from (
  select inventory_id, location_id, operation_id, min(recorded_at) as stamp, max(recorded_at) as last_stamp,
         lag(max(recorded_at)) over (
           partition by inventory_id, location_id order by min(entry_id)) as earlier,
         min(entry_id) as entry_id
  from ledger_entries
  group by inventory_id, location_id, operation_id) as o
where stamp <> last_stamp
   or exists (
     select from ledger_entries as e
     where e.inventory_id = o.inventory_id and e.location_id = o.location_id
       and e.recorded_at = o.stamp and e.operation_id <> o.operation_id)
