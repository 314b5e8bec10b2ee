-- Ranges that should not be there. Grain: article, location and run of days.
delete from stock_ranges as r
where not exists (
  select from expected_ranges as e
  where (e.inventory_id, e.location_id, e.valid_from) = (r.inventory_id, r.location_id, r.valid_from))
