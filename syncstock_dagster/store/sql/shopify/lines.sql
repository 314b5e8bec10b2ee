-- Lines of some products in a state, in the order in which they were planned. Grain: line.
select w.write_id, w.product_id, w.variant_id, w.item_id, w.sku, w.location, w.quantity_name, w.change_from, w.quantity,
       w.attempt, w.undoes, w.call_key::text as call_key, w.position, p.style_code
from shopify_writes as w
join shopify_products as p using (sync_id, product_id)
where w.sync_id = %(sync_id)s and w.product_id = any(%(products)s::text[]) and w.state = %(state)s
order by w.write_id
