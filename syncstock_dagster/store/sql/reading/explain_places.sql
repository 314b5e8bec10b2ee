-- Where an article is known, with its stock of today. is_known: some evidence of it is in force there.
-- Grain: location.
select l.code as location, l.name as location_name, l.timezone, s.on_hand, s.events > 0 as is_known, s.version,
       n.negative_since
from item_stock as s
join locations as l using (location_id)
left join negative_stock as n using (inventory_id, location_id)
where s.inventory_id = %(inventory_id)s
  and (%(location)s::text is null or l.code = %(location)s::text)
order by l.code
