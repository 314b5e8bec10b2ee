-- Rows in quarantine that name an article. Grain: row.
select q.kind, q.reason, q.source, q.location, (q.payload ->> 'quantity')::numeric as quantity, q.created_at
from quarantine as q
join products as p on p.inventory_id = %(inventory_id)s
where q.state = 'waiting' and q.sku in (p.sku, p.inventory_id::text)
order by q.quarantine_id
