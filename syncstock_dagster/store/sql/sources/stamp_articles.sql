-- When the stock of these articles last came from a system. Grain: article.
update products as p
set stock_synced_at = r.counted_at
from (
  select coalesce(r.inventory_id, b.inventory_id) as inventory_id, max(r.counted_at) as counted_at
  from run_pulled_levels as r
  left join products as b on b.sku = r.sku
  group by 1) as r
where p.inventory_id = r.inventory_id
