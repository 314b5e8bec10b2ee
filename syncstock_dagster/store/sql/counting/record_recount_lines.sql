-- The lines of a recount. Grain: recount and article.
insert into recount_lines (recount_id, inventory_id, first_count_id)
select %(recount_id)s, x.inventory_id, x.first_count_id
from unnest(%(inventory_ids)s::bigint[], %(count_ids)s::bigint[]) as x (inventory_id, first_count_id)
order by x.inventory_id
