-- The catalogue. Grain: product.
select p.inventory_id, p.sku, p.name, c.name as category, p.price, p.cost, p.is_placeholder, p.version
from products as p
left join categories as c using (category_id)
where (%(skus)s::text[] is null or p.sku = any(%(skus)s::text[]))
order by p.sku
