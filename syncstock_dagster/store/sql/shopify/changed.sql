-- Products of a shop of which an article's stock changed since its levels were settled. A quarter of an hour is looked
-- at again: clocks differ, and a posting is seen later than it is stamped. Grain: product.
select v.product_id, count(*) as size
from shopify_variants as v
where v.shop = %(shop)s
  and v.product_id in (
    select c.product_id
    from shopify_variants as c
    join products as p on lower(btrim(p.sku)) = lower(btrim(c.sku))
    join item_stock as s using (inventory_id)
    where c.shop = %(shop)s and s.updated_at > coalesce(c.settled_at, '-infinity') - interval '15 minutes')
group by v.product_id
order by v.product_id
