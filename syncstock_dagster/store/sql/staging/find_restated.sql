-- Articles whose versions are put together anew from their rows, beside those that lost a code to another one: what
-- several changes of the commit are about, and, where this operation has written versions before, all. Grain: article.
with changed as (
  select c.inventory_id
  from run_commit as c
  where c.problem is null and (c.change_type = 'create' or c.change_data <> '{}'))
insert into run_restated (inventory_id)
select c.inventory_id
from changed as c
where exists (select from product_versions as v where v.operation_id = %(operation_id)s)
union
select c.inventory_id
from changed as c
group by c.inventory_id
having count(*) > 1
