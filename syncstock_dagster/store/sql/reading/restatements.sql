-- Published values that late evidence changed. Grain: changed range of days, or changed variance.
select r.restatement_id, r.kind, r.inventory_id, l.code as location, r.first_day, r.last_day, r.counted_at,
       r.old_value, r.new_value, r.recorded_at, o.operation_uuid::text as operation_uuid, r.caused_by
from restatements as r
join locations as l using (location_id)
join sync_operations as o using (operation_id)
order by r.restatement_id
