-- Values outside that are outdated by a rollback are events: the channel sends newer ones. Grain: system and article.
insert into sync_events (event_type, entity_type, entity_id, payload, operation_id)
select 'push.outdated', 'product', p.inventory_id::text,
       jsonb_build_object('system', p.system, 'last_push', max(p.push_id)), %(operation_id)s
from sync_pushes as p
where p.operation_id = %(requested_id)s
   or (p.inventory_id = any(%(touched)s::bigint[])
       and p.pushed_at >= (select o.started_at from sync_operations as o where o.operation_id = %(requested_id)s))
group by p.system, p.inventory_id
order by p.inventory_id, p.system
