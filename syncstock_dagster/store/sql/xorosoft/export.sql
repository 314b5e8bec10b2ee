-- Our stock of the articles that Xorosoft knows, as its file takes it. Grain: article of Xorosoft, warehouse. Below zero
-- nothing is sent. What has no stock of ours is left out: missing is not zero.
select x.xorosoft_id, x.sku, x.name, x.warehouse_code, l.code as location, trim_scale(s.on_hand) as on_hand,
       greatest(trim_scale(s.on_hand), 0) as quantity, trim_scale(x.stock_on_hand) as stock_on_hand,
       trim_scale(x.cost_price) as cost_price
from xorosoft_products as x
join products as p on p.inventory_id = x.inventory_id or (x.inventory_id is null and p.sku = x.sku)
join locations as l on l.code = coalesce(%(locations)s::jsonb ->> x.warehouse_code, x.warehouse_code)
join item_stock as s on s.inventory_id = p.inventory_id and s.location_id = l.location_id and s.events > 0
order by x.sku, x.warehouse_code
