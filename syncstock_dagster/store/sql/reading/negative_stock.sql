-- Stock below zero and since when. Grain: article and location.
select n.inventory_id, p.sku, l.code as location, n.on_hand, n.negative_since
from negative_stock as n
join locations as l using (location_id)
left join products as p using (inventory_id)
order by n.on_hand
