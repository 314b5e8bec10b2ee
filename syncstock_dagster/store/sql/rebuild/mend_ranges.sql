-- Closing balances. Grain: article, location and run of days.
insert into stock_ranges as r (inventory_id, location_id, valid_from, valid_to, on_hand)
select inventory_id, location_id, valid_from, valid_to, on_hand
from expected_ranges
on conflict (inventory_id, location_id, valid_from) do update
  set valid_to = excluded.valid_to, on_hand = excluded.on_hand
  where (r.valid_to, r.on_hand) is distinct from (excluded.valid_to, excluded.on_hand)
