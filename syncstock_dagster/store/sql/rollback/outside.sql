-- What went out of the house since the operation began, for articles that change now: it cannot be taken back, only
-- be followed by something newer. Grain: system.
select p.system, count(*) as values_sent, count(distinct p.inventory_id) as articles, max(p.pushed_at) as last_at
from sync_pushes as p
where p.operation_id = %(requested_id)s
   or (p.inventory_id = any(%(touched)s::bigint[])
       and p.pushed_at >= (select o.started_at from sync_operations as o where o.operation_id = %(requested_id)s))
group by p.system
order by p.system
