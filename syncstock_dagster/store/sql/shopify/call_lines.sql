-- The lines of a call, in its order. Grain: line.
select w.write_id, w.product_id, w.variant_id, w.item_id, w.sku, w.location, w.quantity_name, w.change_from, w.quantity,
       w.attempt, w.undoes, w.call_key::text as call_key, w.position, p.style_code
from shopify_writes as w
join shopify_products as p using (sync_id, product_id)
where w.call_key = %(key)s and w.state = 'sent'
order by w.position
