-- Stamps shared by two operations, or later than the last one on record. Grain: article, location, stamp.
select e.inventory_id, e.location_id, e.recorded_at, count(distinct e.operation_id) as operations
from ledger_entries as e
join item_stock as s using (inventory_id, location_id)
group by e.inventory_id, e.location_id, e.recorded_at
having count(distinct e.operation_id) > 1 or e.recorded_at > max(s.recorded_at)
