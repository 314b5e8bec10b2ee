-- Between two steps of one run: the pairs know the stock that the first step left. Grain: article, location.
update run_pairs as p
set on_hand = s.on_hand
from item_stock as s
where s.inventory_id = p.inventory_id and s.location_id = p.location_id
  and s.on_hand <> p.on_hand
