-- A decision records what was expected. Grain: article, location, instant.
insert into run_books (inventory_id, location_id, counted_at)
select inventory_id, location_id, counted_at from run_count_keys
