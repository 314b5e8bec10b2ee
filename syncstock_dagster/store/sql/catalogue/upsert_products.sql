-- Products by SKU; null says nothing and changes nothing. A placeholder that is described becomes a product.
-- Grain: SKU; of one named twice, the later row. In key order.
with said as (
  select distinct on (r.sku) r.sku, r.name, c.category_id, r.price, r.cost, r.inventory_id
  from raw_products as r
  left join categories as c on c.name = r.category
  order by r.sku, r.position desc)
insert into products as p (inventory_id, sku, name, category_id, price, cost)
select coalesce(s.inventory_id, nextval('inventory_id_seq')), s.sku, s.name, s.category_id, s.price, s.cost
from said as s
order by s.sku
on conflict (sku) do update set
  name = coalesce(excluded.name, p.name),
  category_id = coalesce(excluded.category_id, p.category_id),
  price = coalesce(excluded.price, p.price),
  cost = coalesce(excluded.cost, p.cost),
  is_placeholder = false
where (p.name, p.category_id, p.price, p.cost, p.is_placeholder) is distinct from
      (coalesce(excluded.name, p.name), coalesce(excluded.category_id, p.category_id),
       coalesce(excluded.price, p.price), coalesce(excluded.cost, p.cost), false)
