-- Quarantined evidence that could have been replayed. Grain: quarantined row.
select q.quarantine_id, q.reason, q.sku, q.location
from quarantine as q
where q.state = 'waiting'
  and ((q.reason = 'unknown_location' and exists (select from locations as l where l.code = q.location))
       or (q.reason = 'unknown_sku' and exists (select from products as p where p.sku = q.sku)))
