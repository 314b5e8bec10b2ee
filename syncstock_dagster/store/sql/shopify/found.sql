-- Products that a run is about; those that are done under this tag already are not listed again, whatever the shop's
-- search says yet. Grain: product.
insert into shopify_products (sync_id, product_id, size)
select %(sync_id)s, r.product_id, r.size
from jsonb_to_recordset(%(rows)s::jsonb) as r (product_id text, size int)
where not %(only_missed)s
   or not exists (
     select from shopify_products as p
     join shopify_syncs as s using (sync_id)
     where p.product_id = r.product_id and p.state = 'done' and s.shop = %(shop)s and s.tag = %(tag)s
       and not s.is_dry_run)
on conflict do nothing
