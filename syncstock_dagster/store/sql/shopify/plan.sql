-- The plan of some products, made anew: what was planned before and not sent is dropped. Grain: product.
with given as (
  select r.*
  from jsonb_to_recordset(%(products)s::jsonb)
    as r (product_id text, title text, style_code text, old_tags text[], variants int, equal int,
          read_at timestamptz, truth_at timestamptz)),
dropped as (
  update shopify_writes as w
  set state = 'dropped'
  from given as g
  where w.sync_id = %(sync_id)s and w.product_id = g.product_id and w.undoes is null
    and w.state in ('planned', 'skipped', 'stale')),
taken_back as (
  delete from shopify_deletions as d
  using given as g
  where d.sync_id = %(sync_id)s and d.product_id = g.product_id and d.state in ('proposed', 'kept')
    and not exists (
      select from jsonb_to_recordset(%(deletions)s::jsonb) as r (variant_id text)
      where r.variant_id = d.variant_id)),
proposed as (
  insert into shopify_deletions (sync_id, product_id, variant_id, item_id, sku, title, state, reason)
  select %(sync_id)s, r.product_id, r.variant_id, r.item_id, r.sku, r.title, r.state, r.reason
  from jsonb_to_recordset(%(deletions)s::jsonb)
    as r (product_id text, variant_id text, item_id text, sku text, title text, state text, reason text)
  on conflict (sync_id, variant_id) do update
    set state = excluded.state, reason = excluded.reason
    where shopify_deletions.state in ('proposed', 'kept')),
planned as (
  insert into shopify_writes
    (sync_id, product_id, variant_id, item_id, sku, location, quantity_name, change_from, quantity, state, reason)
  select %(sync_id)s, r.product_id, r.variant_id, r.item_id, r.sku, r.location, %(name)s, r.change_from, r.quantity,
         case when r.quantity is null then 'skipped' else 'planned' end, r.reason
  from jsonb_to_recordset(%(lines)s::jsonb)
    as r (product_id text, variant_id text, item_id text, sku text, location text, change_from int, quantity int,
          reason text)),
seen as (
  insert into shopify_variants as v (shop, variant_id, product_id, item_id, sku)
  select %(shop)s, r.variant_id, r.product_id, r.item_id, r.sku
  from jsonb_to_recordset(%(variants)s::jsonb) as r (product_id text, variant_id text, item_id text, sku text)
  on conflict (shop, variant_id) do update
    set product_id = excluded.product_id, item_id = excluded.item_id, sku = excluded.sku,
        settled_at = case when v.sku = excluded.sku then v.settled_at end)
update shopify_products as p
set state = 'planned', reason = null, title = g.title, style_code = g.style_code, old_tags = g.old_tags,
    variants = g.variants, equal = g.equal, read_at = g.read_at, truth_at = g.truth_at
from given as g
where p.sync_id = %(sync_id)s and p.product_id = g.product_id
