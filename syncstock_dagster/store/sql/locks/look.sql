-- The articles, locked in key order, and who else works on each. Grain: article.
select p.inventory_id, p.sku,
       case when p.sync_locked and p.sync_locked_until > clock_timestamp() and p.sync_locked_by <> %(who)s
         then p.sync_locked_by end
from products as p
where p.inventory_id = any(%(inventory_ids)s::bigint[])
order by p.inventory_id
for update
