-- Changes that others have made meanwhile: the article is as it would become, so there is nothing to do, and no version
-- of nothing. Grain: staged row.
update run_commit as c
set change_data = '{}'
from products as p
join product_versions as v on v.inventory_id = p.inventory_id and v.version_number = p.version
where p.inventory_id = c.inventory_id and p.version <> c.base_version and c.problem is null
  and c.change_type <> 'create'
  and not exists (
    select from jsonb_each(c.change_data) as f
    where v.product_data -> f.key is distinct from nullif(f.value -> 'new', 'null'))
