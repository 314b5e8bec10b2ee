-- The versions of a commit, once all parts of its articles are there. Where one change is all that this operation did
-- to an article, its new values are told as the patch. The state of others is put together anew: of what several
-- changes are about, what lost a code to another, and of what this operation may have written a version before.
-- Grain: article.
with changes as (
  select c.inventory_id, f.patch
  from run_commit as c
  cross join lateral (
    select case c.change_type when 'create'
             then jsonb_build_object('sku', c.sku, 'unit', 'each', 'is_active', true) else '{}' end
           || coalesce(jsonb_object_agg(e.key, e.value -> 'new'), '{}') as patch
    from jsonb_each(c.change_data) as e) as f
  where c.problem is null and (c.change_type = 'create' or c.change_data <> '{}')),
others as (
  select l.inventory_id
  from run_losers as l
  union
  select c.inventory_id
  from changes as c
  where exists (select from product_versions as v where v.operation_id = %(operation_id)s)
  union
  select c.inventory_id
  from changes as c
  group by c.inventory_id
  having count(*) > 1),
articles as (
  select c.inventory_id, c.patch
  from changes as c
  where not exists (select from others as o where o.inventory_id = c.inventory_id)
  union all
  select o.inventory_id, null
  from others as o
  order by 1)
select record_product_versions(array_agg(a.inventory_id), array_agg(a.patch))
from articles as a
