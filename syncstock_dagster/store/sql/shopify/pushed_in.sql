-- The operations in which a run's pushes are on record, whose effect a rollback takes back. Grain: operation.
select distinct w.operation_id
from shopify_writes as w
join sync_operations as o on o.operation_id = w.operation_id and o.status <> 'rolled_back'
where w.sync_id = %(sync_id)s and w.undoes is null and w.operation_id is not null
order by w.operation_id
