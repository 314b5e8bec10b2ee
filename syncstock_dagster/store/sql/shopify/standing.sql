-- How products stand after what was sent. Grain: product.
select p.product_id, p.state, p.old_tags, p.is_marked,
       count(*) filter (where w.state = 'sent') as unanswered,
       count(*) filter (where w.state = 'failed' and w.undoes is null) as failed,
       count(*) filter (where w.state = 'skipped' and w.undoes is null and w.reason <> all(%(harmless)s::text[]))
         as left_out,
       min(w.reason) filter (where w.state = 'failed' and w.undoes is null) as failure,
       min(w.reason) filter (where w.state = 'skipped' and w.undoes is null and w.reason <> all(%(harmless)s::text[]))
         as left_because
from shopify_products as p
left join shopify_writes as w using (sync_id, product_id)
where p.sync_id = %(sync_id)s and p.product_id = any(%(products)s::text[]) and p.state = 'planned'
group by p.sync_id, p.product_id
order by p.product_id
