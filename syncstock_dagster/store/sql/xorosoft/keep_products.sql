-- What Xorosoft says of each article in each warehouse; cost, where it says it. Grain: article of Xorosoft, warehouse.
with said as (
  select l.details ->> 'xorosoft_id' as xorosoft_id, l.details ->> 'warehouse_code' as warehouse_code, l.sku,
         l.details, l.counted_at, coalesce(i.inventory_id, p.inventory_id) as inventory_id,
         coalesce((f.fields ->> 'cost')::numeric, (l.details ->> 'cost_price')::numeric) as cost_price
  from pulled_levels as l
  left join pulled_items as f on f.pull_id = l.pull_id and f.code = l.code
  left join product_identifiers as i on i.system = 'xorosoft' and i.identifier = l.details ->> 'xorosoft_id'
  left join products as p on p.sku = l.sku
  where l.pull_id = %(pull_id)s),
kept as (
  insert into xorosoft_products as x
    (xorosoft_id, warehouse_code, inventory_id, sku, name, base_part_number, stock_on_hand, stock_available,
     stock_allocated, stock_on_order, stock_not_available, stock_on_sales_orders, available_to_sell, cost_price,
     last_synced, operation_id)
  select distinct on (s.xorosoft_id, s.warehouse_code)
         s.xorosoft_id, s.warehouse_code, s.inventory_id, s.sku, s.details ->> 'name',
         s.details ->> 'base_part_number', (s.details ->> 'stock_on_hand')::numeric,
         (s.details ->> 'stock_available')::numeric, (s.details ->> 'stock_allocated')::numeric,
         (s.details ->> 'stock_on_order')::numeric, (s.details ->> 'stock_not_available')::numeric,
         (s.details ->> 'stock_on_sales_orders')::numeric, (s.details ->> 'available_to_sell')::numeric,
         s.cost_price, s.counted_at, %(operation_id)s
  from said as s
  order by s.xorosoft_id, s.warehouse_code, s.counted_at desc
  on conflict (xorosoft_id, warehouse_code) do update
    set inventory_id = coalesce(excluded.inventory_id, x.inventory_id), sku = excluded.sku,
        name = coalesce(excluded.name, x.name), base_part_number = excluded.base_part_number,
        stock_on_hand = excluded.stock_on_hand, stock_available = excluded.stock_available,
        stock_allocated = excluded.stock_allocated, stock_on_order = excluded.stock_on_order,
        stock_not_available = excluded.stock_not_available,
        stock_on_sales_orders = excluded.stock_on_sales_orders, available_to_sell = excluded.available_to_sell,
        cost_price = coalesce(excluded.cost_price, x.cost_price), last_synced = excluded.last_synced,
        operation_id = excluded.operation_id
    where excluded.last_synced >= x.last_synced
  returning x.xorosoft_id)
update xorosoft_products as x
set cost_price = (f.fields ->> 'cost')::numeric, operation_id = %(operation_id)s
from pulled_items as f
where f.pull_id = %(pull_id)s and x.sku = f.sku and f.fields ->> 'cost' is not null
  and x.cost_price is distinct from (f.fields ->> 'cost')::numeric
  and not exists (select from kept as k where k.xorosoft_id = x.xorosoft_id)
