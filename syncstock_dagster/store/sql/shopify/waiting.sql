-- Products of a run that are not through, small ones first, so that pages are even. Grain: product.
select p.product_id, p.size
from shopify_products as p
where p.sync_id = %(sync_id)s and p.state in ('found', 'planned')
order by p.size, p.product_id
