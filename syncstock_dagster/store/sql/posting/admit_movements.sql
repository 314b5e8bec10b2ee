-- New identities come into force at once. The unique index makes a second writer of the same line wait and
-- then do nothing; in key order, so that two writers cannot wait for each other.
-- Grain of run_deltas: movement.
with admitted as (
  insert into movements
    (movement_id, delivery_id, position, inventory_id, location_id, source_id, leg, state, advisory, day_grain,
     restates, effective_at, quantity, day, document_key, line_key, reason, unit_price)
  select movement_id, delivery_id, position, inventory_id, location_id, source_id, leg, state, advisory,
         day_grain, restates, effective_at, quantity, day, document_key, line_key, reason, unit_price
  from run_movements
  order by source_id, document_key, line_key, leg, delivery_id, position
  on conflict do nothing
  returning inventory_id, location_id, effective_at, quantity, source_id, movement_id, reason, advisory)
insert into run_deltas
select inventory_id, location_id, effective_at, case when advisory then null else quantity end, 1, source_id,
       movement_id, reason
from admitted
