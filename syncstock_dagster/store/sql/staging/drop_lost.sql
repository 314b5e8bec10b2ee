-- Fields that are no change: the local value stands, or won. An article whose identity lost is not changed at all.
-- Grain: change and field.
delete from run_fields as f
where f.stands
   or exists (
     select from run_catalogue_conflicts as k
     where k.position = f.position and k.verdict = 'local' and (k.field = f.field or k.field = 'sku'))
