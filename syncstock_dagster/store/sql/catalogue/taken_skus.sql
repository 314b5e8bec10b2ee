-- Rows whose SKU cannot go to the id they name: another article has it. Grain: row.
select r.position, r.sku, p.inventory_id
from raw_products as r
join products as p using (sku)
where p.inventory_id <> r.inventory_id
order by r.position
