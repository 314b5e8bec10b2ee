-- The instants of the counts that are decided on. Grain: article, location, instant.
insert into run_count_keys
select distinct inventory_id, location_id, counted_at
from stock_counts
where count_id = any(%(count_ids)s::bigint[])
on conflict do nothing
