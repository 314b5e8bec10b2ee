-- Where evidence left force, the first day with any may be later now. Grain: article and location.
delete from run_day_deltas as d
where not exists (
  select from run_entries as e
  where e.inventory_id = d.inventory_id and e.location_id = d.location_id and e.events < 0)
