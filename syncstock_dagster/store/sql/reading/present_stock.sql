-- Present stock. Grain: article and location.
select s.inventory_id, l.code as location, s.on_hand
from item_stock as s
join locations as l using (location_id)
where s.events > 0
  and (%(inventory_ids)s::bigint[] is null or s.inventory_id = any(%(inventory_ids)s::bigint[]))
  and (%(locations)s::text[] is null or l.code = any(%(locations)s::text[]))
order by s.inventory_id, l.code
