-- Those of the products that nobody else works on; held until the session ends or gives them back. Grain: product.
select w.product_id
from unnest(%(products)s::text[]) as w (product_id)
where pg_try_advisory_lock(hashtextextended('shopify ' || %(shop)s || ' ' || w.product_id, 0))
