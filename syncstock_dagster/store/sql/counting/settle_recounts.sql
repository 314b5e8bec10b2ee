-- Recounts that agree are done, unless somebody cancelled them meanwhile. Grain: recount and article.
update recount_lines as n
set settled_by = %(operation_id)s
from unnest(%(recount_ids)s::bigint[], %(inventory_ids)s::bigint[]) as x (recount_id, inventory_id)
where n.recount_id = x.recount_id and n.inventory_id = x.inventory_id
  and n.settled_by is null and n.cancelled_by is null
returning n.recount_id, n.inventory_id
