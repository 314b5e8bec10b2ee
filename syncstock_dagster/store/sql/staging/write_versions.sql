-- The versions of a commit, once all parts of its articles are there. Grain: article.
select record_product_versions(array(
  select c.inventory_id
  from run_commit as c
  where c.problem is null and (c.change_type = 'create' or c.change_data <> '{}')
  union
  select l.inventory_id from run_losers as l))
