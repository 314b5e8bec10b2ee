-- Events of a window of transactions, all of which have ended, after one of them. Grain: event. Within the window
-- event_id is the order; it is drawn while the entity's row is locked, so it is the order of what happened to it.
select e.event_id, e.event_type, e.entity_type, e.entity_id, e.payload, o.operation_uuid::text as operation_uuid,
       e.occurred_at
from sync_events as e
left join sync_operations as o using (operation_id)
where e.xid >= %(from_xid)s::xid8 and e.xid < %(to_xid)s::xid8 and e.event_id > %(last)s
  and (%(types)s::text[] is null or e.event_type like any(%(types)s::text[]))
order by e.event_id
limit %(limit)s
