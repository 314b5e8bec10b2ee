-- What the books say is there, at some locations. Grain: location and article with a stock other than zero.
select l.code, p.sku, p.name, s.on_hand
from item_stock as s
join locations as l using (location_id)
join products as p using (inventory_id)
where l.code = any(%(locations)s) and s.on_hand <> 0
order by l.code, p.sku
