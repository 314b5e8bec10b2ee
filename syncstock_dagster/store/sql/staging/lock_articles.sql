-- The articles of a commit, locked in key order; readers do not wait. Grain: article.
select p.inventory_id
from products as p
where p.inventory_id in (select c.inventory_id from run_commit as c)
   or p.sku in (select c.sku from run_commit as c where c.change_type = 'create')
order by p.inventory_id
for update
