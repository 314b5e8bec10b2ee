-- Rows of this run that did not come into force by themselves join the others of their identity;
-- settling decides. Grain: movement.
insert into movements
  (movement_id, delivery_id, position, inventory_id, location_id, source_id, leg, state, advisory, day_grain,
   restates, effective_at, quantity, day, document_key, line_key, reason, unit_price)
select m.movement_id, m.delivery_id, m.position, m.inventory_id, m.location_id, m.source_id, m.leg, 'duplicate',
       m.advisory, m.day_grain, m.restates, m.effective_at, m.quantity, m.day, m.document_key, m.line_key,
       m.reason, m.unit_price
from run_movements as m
where not exists (select from run_entries as e where e.movement_id = m.movement_id)
