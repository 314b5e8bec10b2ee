-- New identities come into force at once, the first of each in this run; the others are contested. In key order,
-- so that two writers of the same lines wait for each other but never in a circle; the one that waited finds the
-- unique index taken, and its whole operation is tried again. (ON CONFLICT would not need that, but checks and
-- inserts every row speculatively: twice the time of a load.) Grain: movement.
insert into movements
  (movement_id, delivery_id, position, inventory_id, location_id, source_id, leg, state, advisory, day_grain,
   restates, effective_at, quantity, day, document_key, line_key, reason, unit_price)
select distinct on (source_id, document_key, line_key, leg)
       movement_id, delivery_id, position, inventory_id, location_id, source_id, leg, state, advisory,
       day_grain, restates, effective_at, quantity, day, document_key, line_key, reason, unit_price
from run_movements as r
where not exists (
  select from run_contested as c
  where (c.source_id, c.document_key, c.line_key) = (r.source_id, r.document_key, r.line_key))
order by source_id, document_key, line_key, leg, delivery_id, position
