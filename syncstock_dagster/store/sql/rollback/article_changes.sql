-- What a rollback does to articles. Grain: article and field.
select r.inventory_id, p.sku, r.field, r.old #>> '{}' as old, r.new #>> '{}' as new, r.dependents
from run_reversals as r
join products as p using (inventory_id)
order by r.inventory_id, r.field
