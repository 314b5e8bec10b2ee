-- Stock that is not what the movements and counts in force say. Grain: article and location.
select inventory_id, location_id, s.on_hand, e.on_hand as expected
from (select inventory_id, location_id, sum(delta) as on_hand from expected_entries group by 1, 2) as e
full join (select * from item_stock where events <> 0 or on_hand <> 0) as s using (inventory_id, location_id)
where s.on_hand is distinct from e.on_hand
