-- The stock row of every touched article and location exists. Grain: article and location.
insert into item_stock (inventory_id, location_id)
select t.inventory_id, t.location_id
from run_pairs as t
where not exists (
  select from item_stock as s where s.inventory_id = t.inventory_id and s.location_id = t.location_id)
order by t.inventory_id, t.location_id
on conflict do nothing
