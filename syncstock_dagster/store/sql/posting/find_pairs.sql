-- Every article and location that this run may touch. Grain: article and location.
insert into run_pairs (inventory_id, location_id)
select inventory_id, location_id from run_entries
union
select inventory_id, location_id from run_counts
union
select inventory_id, location_id from run_count_keys
