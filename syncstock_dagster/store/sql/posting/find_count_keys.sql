-- The instants at which counts that need no gate may come into force. Grain: article, location, instant.
insert into run_count_keys
select distinct inventory_id, location_id, counted_at
from run_counts
where decision = 'applied'
on conflict do nothing
