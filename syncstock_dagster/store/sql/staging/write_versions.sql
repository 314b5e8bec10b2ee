-- The versions of a commit, once all parts of its articles are there. Grain: article.
select record_product_versions(array(
  select distinct c.inventory_id from run_commit as c where c.problem is null))
