-- Advisory counts are compared with the balance at their instant. Grain: article, location, instant.
insert into run_books (inventory_id, location_id, counted_at)
select distinct inventory_id, location_id, counted_at
from run_counts
where decision = 'advisory'
