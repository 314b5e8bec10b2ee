-- Products that are not worked on any further, and why. Grain: product.
update shopify_products as p
set state = r.state, reason = r.reason, title = coalesce(r.title, p.title), variants = coalesce(r.variants, p.variants),
    read_at = coalesce(r.read_at, p.read_at)
from jsonb_to_recordset(%(rows)s::jsonb)
  as r (product_id text, state text, reason text, title text, variants int, read_at timestamptz)
where p.sync_id = %(sync_id)s and p.product_id = r.product_id
