-- The numbers of a run. Grain: run.
select
  (select count(*) from shopify_products as p where p.sync_id = %(sync_id)s) as products_found,
  (select count(*) from shopify_products as p where p.sync_id = %(sync_id)s and p.variants is not null)
    as products_checked,
  (select coalesce(sum(p.variants), 0) from shopify_products as p where p.sync_id = %(sync_id)s) as variants_checked,
  (select count(distinct w.variant_id) from shopify_writes as w
   where w.sync_id = %(sync_id)s and w.state = 'done' and w.undoes is null
     and not exists (select from shopify_writes as u where u.undoes = w.write_id and u.state = 'done'))
    as variants_updated,
  (select count(*) from shopify_writes as w
   where w.sync_id = %(sync_id)s and w.state = 'planned' and w.undoes is null) as variants_to_update,
  (select count(*) from shopify_deletions as d where d.sync_id = %(sync_id)s and d.state = 'deleted') as variants_deleted,
  (select count(*) from shopify_deletions as d where d.sync_id = %(sync_id)s and d.state in ('proposed', 'approved'))
    as deletions_waiting,
  (select count(*) from shopify_products as p
   where p.sync_id = %(sync_id)s and (p.state = 'failed' or (p.state = 'planned' and p.reason is not null)))
    as errors,
  (select count(*) from shopify_products as p where p.sync_id = %(sync_id)s and p.state = 'skipped') as products_skipped,
  (select count(*) from shopify_products as p where p.sync_id = %(sync_id)s and p.state in ('found', 'planned'))
    as products_open,
  (select count(*) from shopify_writes as w
   where w.sync_id = %(sync_id)s and w.state = 'skipped' and w.undoes is null) as skipped,
  (select coalesce(sum(p.equal), 0) from shopify_products as p where p.sync_id = %(sync_id)s) as already_right,
  (select count(*) from shopify_products as p
   where p.sync_id = %(sync_id)s and p.variants is not null and p.style_code is null) as products_without_ccod,
  (select count(*) from shopify_products as p where p.sync_id = %(sync_id)s and p.style_code is not null)
    as products_with_ccod,
  (select count(*) from shopify_writes as w
   where w.sync_id = %(sync_id)s and w.undoes is not null and w.state = 'done') as rollbacks,
  (select count(*) from shopify_writes as w
   where w.sync_id = %(sync_id)s and w.undoes is not null and w.state in ('skipped', 'failed')) as rollback_failures
