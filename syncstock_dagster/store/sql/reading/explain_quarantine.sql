-- Evidence that names an article and waits: for its location, for its date, or for the article itself under a code
-- that differs from its SKU by case or blanks. The location is as delivered and need not be known.
-- Grain: quarantined row.
select q.quarantine_id, q.kind, q.reason, q.source, q.sku, q.location, d.name as delivery, q.position,
       q.not_before, q.created_at
from quarantine as q
join deliveries as d using (delivery_id)
where q.state = 'waiting'
  and (q.sku = any(array[%(sku)s::text, %(inventory_id)s::bigint::text])
       or lower(btrim(q.sku)) = lower(btrim(%(sku)s::text)))
  and (%(location)s::text is null or q.location = %(location)s::text or q.reason = 'unknown_location')
order by q.quarantine_id
