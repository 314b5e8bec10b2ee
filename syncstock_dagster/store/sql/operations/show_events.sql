-- Events of an operation, by type. Grain: type.
select e.event_type, count(*) as events
from sync_events as e
where e.operation_id = %(operation_id)s
group by e.event_type
order by e.event_type
