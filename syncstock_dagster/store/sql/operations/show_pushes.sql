-- What an operation sent out of the house. Grain: system.
select p.system, count(*) as values_sent, count(distinct p.inventory_id) as articles, max(p.pushed_at) as last_at
from sync_pushes as p
where p.operation_id = %(operation_id)s
group by p.system
order by p.system
