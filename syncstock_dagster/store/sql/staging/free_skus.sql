-- SKUs that go over to another article of the commit are given up first: of two articles that swap theirs, neither may
-- have the other's before that one has let it go. Grain: article.
update products as p
set sku = 'moving ' || gen_random_uuid()
from run_commit as c
where c.inventory_id = p.inventory_id and c.problem is null and c.change_data ? 'sku'
  and exists (
    select from run_commit as o
    where o.problem is null and o.inventory_id <> p.inventory_id and o.change_data -> 'sku' ->> 'new' = p.sku)
