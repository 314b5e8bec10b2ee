-- What settling changed, as one correcting entry per identity, article, location and instant.
-- Grain of run_entries: identity and instant.
with gone as (
  delete from run_entries as e
  using run_contenders as c
  where c.movement_id = e.movement_id),
changes as (
  select b.source_id, b.document_key, b.line_key, b.inventory_id, b.location_id, b.effective_at,
         -b.quantity as delta, -1 as events, b.movement_id, b.reason
  from run_before as b
  where not b.advisory
  union all
  select m.source_id, m.document_key, m.line_key, m.inventory_id, m.location_id, m.effective_at,
         m.quantity, 1, m.movement_id, m.reason
  from run_contenders as c
  join movements as m using (movement_id)
  where m.state = 'in_force' and not m.advisory)
insert into run_entries
select 1, inventory_id, location_id, effective_at, 'movement'::entry_type, sum(delta), sum(events), source_id,
       coalesce(max(movement_id) filter (where events = 1), max(movement_id)),
       coalesce(max(reason) filter (where events = 1), max(reason))
from changes
group by source_id, document_key, line_key, inventory_id, location_id, effective_at
having sum(delta) <> 0 or sum(events) <> 0
