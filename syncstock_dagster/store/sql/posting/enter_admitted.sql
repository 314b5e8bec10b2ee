-- What the admitted movements change; advisory ones change nothing. Grain of run_entries: movement.
insert into run_entries
select 1, r.inventory_id, r.location_id, r.effective_at, 'movement'::entry_type,
       case when r.advisory then null else r.quantity end, 1, r.source_id, r.movement_id, r.reason
from run_movements as r
where %(all_admitted)s
   or exists (select from movements as m where m.movement_id = r.movement_id)
