-- What failed for good, newest first. Grain: letter.
select d.dead_letter_id, d.dead_letter_uuid::text as dead_letter_uuid, d.source, d.kind, d.state, d.reason,
       d.attempts, d.payload, d.original_payload, d.first_failed_at, d.last_failed_at, d.mended_by, d.settled_by,
       d.settled_reason, o.operation_uuid::text as operation_uuid
from dead_letters as d
left join sync_operations as o using (operation_id)
where %(every)s or d.state = 'waiting'
order by d.dead_letter_id desc
limit %(limit)s
