-- Variants as they were seen. Grain: variant.
insert into shopify_variants as v (shop, variant_id, product_id, item_id, sku)
select %(shop)s, r.variant_id, r.product_id, r.item_id, r.sku
from jsonb_to_recordset(%(rows)s::jsonb) as r (variant_id text, product_id text, item_id text, sku text)
on conflict (shop, variant_id) do update
  set product_id = excluded.product_id, item_id = excluded.item_id, sku = excluded.sku,
      settled_at = case when v.sku = excluded.sku then v.settled_at end
