-- Changes that wait for review, each with a number of its own; a row without any differing field, and nothing to
-- create, is none. Nor is a new article that was rejected when the source said the same of it. Grain: change.
insert into run_stored (position, staging_id, is_kept)
select c.position, nextval('products_staging_staging_id_seq'), false
from run_changes as c
where (c.change_data <> '{}'
       or (c.change_type = 'create'
           and not exists (
             select from run_catalogue_conflicts as k
             where k.position = c.position and k.field = 'sku' and k.verdict = 'local')))
  and not (c.change_type = 'create' and exists (
    select from products_staging as r
    where r.source = %(source)s and r.sku = c.sku and r.is_rejected and r.change_type = 'create'
      and r.remote = c.remote and r.source <> 'people'))
