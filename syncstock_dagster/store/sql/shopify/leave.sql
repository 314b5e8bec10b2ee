-- Products that are not worked on any further, and why; what was planned for them and not sent is dropped. Grain: product.
with given as (
  select r.*
  from jsonb_to_recordset(%(rows)s::jsonb)
    as r (product_id text, state text, reason text, title text, variants int, read_at timestamptz)),
dropped as (
  update shopify_writes as w
  set state = 'dropped'
  from given as g
  where g.state in ('skipped', 'failed') and w.sync_id = %(sync_id)s and w.product_id = g.product_id
    and w.state in ('planned', 'stale') and w.undoes is null)
update shopify_products as p
set state = g.state, reason = g.reason, title = coalesce(g.title, p.title), variants = coalesce(g.variants, p.variants),
    read_at = coalesce(g.read_at, p.read_at)
from given as g
where p.sync_id = %(sync_id)s and p.product_id = g.product_id
