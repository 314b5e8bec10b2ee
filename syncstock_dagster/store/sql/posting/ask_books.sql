-- New counts need the balance of the ledger at their instant. Grain: article, location, instant.
insert into run_books (inventory_id, location_id, counted_at)
select inventory_id, location_id, counted_at
from run_count_changes
where old_quantity is null
