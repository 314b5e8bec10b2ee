-- What was done so far, in one text: it differs once another operation has ended, also one that began earlier. One row.
select coalesce(max(operation_id), 0) || '/' || count(*)
from sync_operations
where status not in ('pending', 'in_progress')
