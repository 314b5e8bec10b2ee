-- What was a placeholder keeps its id. Grain: staged row.
update run_commit as c
set inventory_id = p.inventory_id
from products as p
where c.change_type = 'create' and c.problem is null and p.sku = c.sku and p.inventory_id <> c.inventory_id
