-- Every article and location that this run may touch: its stock row exists, and is locked in key order.
-- Whoever posts to the ledger takes these locks. Grain: article and location.
with touched as (
  select inventory_id, location_id from run_entries
  union
  select inventory_id, location_id from run_counts
  union
  select inventory_id, location_id from run_count_keys)
insert into item_stock (inventory_id, location_id)
select t.inventory_id, t.location_id
from touched as t
where not exists (
  select from item_stock as s where s.inventory_id = t.inventory_id and s.location_id = t.location_id)
order by t.inventory_id, t.location_id
on conflict do nothing
