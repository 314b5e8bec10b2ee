-- Stored closing balances that a rebuild would not give. Grain: article, location and run of days.
select inventory_id, location_id, valid_from, r.valid_to::text, r.on_hand, e.valid_to::text as expected_to,
       e.on_hand as expected
from stock_ranges as r
full join expected_ranges as e using (inventory_id, location_id, valid_from)
where (r.valid_to, r.on_hand) is distinct from (e.valid_to, e.on_hand)
