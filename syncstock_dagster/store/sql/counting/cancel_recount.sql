-- A recount that nobody waits for any more: what agrees or was cancelled stays as it is. Grain: recount and article.
update recount_lines as n
set cancelled_by = %(operation_id)s
from recount_status as s
where n.recount_id = %(recount_id)s and s.recount_id = n.recount_id and s.inventory_id = n.inventory_id
  and s.state in ('waiting', 'third', 'person') and n.settled_by is null
