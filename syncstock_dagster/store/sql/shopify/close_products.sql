-- Products are through; variants whose levels are right, or of which the truth knows nothing, are settled. Grain: product.
with given as (
  select r.*
  from jsonb_to_recordset(%(rows)s::jsonb) as r (product_id text, state text, reason text)),
settled as (
  update shopify_variants as v
  set settled_at = p.truth_at
  from given as g
  join shopify_products as p on p.sync_id = %(sync_id)s and p.product_id = g.product_id
  where g.state in ('done', 'partly') and v.shop = %(shop)s and v.product_id = g.product_id
    and not exists (
      select from shopify_writes as w
      where w.sync_id = %(sync_id)s and w.product_id = g.product_id and w.variant_id = v.variant_id
        and (w.state in ('failed', 'sent') or (w.state = 'skipped' and w.call_key is not null))))
update shopify_products as p
set state = g.state, reason = g.reason
from given as g
where p.sync_id = %(sync_id)s and p.product_id = g.product_id
