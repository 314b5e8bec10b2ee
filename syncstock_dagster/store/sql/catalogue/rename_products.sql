-- A row that gives an id as well names that article from now on. Grain: product.
update products as p
set sku = r.sku
from raw_products as r
where p.inventory_id = r.inventory_id and p.sku <> r.sku
