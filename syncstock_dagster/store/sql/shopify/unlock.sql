-- Give products back. Grain: product.
select count(pg_advisory_unlock(hashtextextended('shopify ' || %(shop)s || ' ' || w.product_id, 0)))
from unnest(%(products)s::text[]) as w (product_id)
