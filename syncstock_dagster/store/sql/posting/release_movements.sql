-- Movements in quarantine whose article, location or date is known by now, back into the raw rows; both legs of
-- a transfer, or neither. Grain: one quarantined row. Two runs at once: the second waits for the row and finds it
-- released.
with waiting as (
  select q.quarantine_id, q.delivery_id, q.position,
         case q.reason
           when 'future_date' then q.not_before <= now()
           when 'unknown_location' then exists (select from locations as l where l.code = q.location)
           else exists (select from products as p where p.sku = q.sku)
             or exists (select from product_identifiers as i where i.identifier = q.sku)
             or (select count(*) from products as p where lower(btrim(p.sku)) = lower(btrim(q.sku))) = 1
         end as is_known
  from quarantine as q
  where q.state = 'waiting' and q.kind = 'movement'),
ready as (
  select w.quarantine_id
  from waiting as w
  where w.is_known
    and not exists (
      select from waiting as o
      where o.delivery_id = w.delivery_id and o.position = w.position and not o.is_known)),
released as (
  update quarantine as q
  set state = 'released', released_by = %(operation_id)s
  from ready as r
  where q.quarantine_id = r.quarantine_id and q.state = 'waiting'
  returning q.delivery_id, q.payload)
insert into raw_movements
select (jsonb_populate_record(
  null::raw_movements, payload || jsonb_build_object('delivery_id', delivery_id))).*
from released
