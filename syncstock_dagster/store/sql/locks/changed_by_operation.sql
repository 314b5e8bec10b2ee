-- Articles that the running operation has changed though somebody else works on them. Grain: article.
select p.sku, p.sync_locked_by
from product_versions as v
join products as p using (inventory_id)
where v.operation_id = current_operation()
  and p.sync_locked and p.sync_locked_until > clock_timestamp() and p.sync_locked_by <> %(who)s
order by p.sku
