-- Counted minus the balance that the ledger has now. Grain: article, location, instant.
update run_count_changes as c
set gap = c.new_quantity - b.book
from run_books as b
where (b.inventory_id, b.location_id, b.counted_at) = (c.inventory_id, c.location_id, c.counted_at)
