-- Closing balances of business days, dense from each article's first day on. Grain: day, article, location.
select d.day::date as day, r.inventory_id, l.code as location, r.on_hand
from stock_ranges as r
join locations as l using (location_id)
cross join lateral generate_series(
  greatest(r.valid_from, %(first)s::date), least(r.valid_to - 1, %(last)s::date), interval '1 day') as d (day)
where r.valid_from <= %(last)s::date and r.valid_to > %(first)s::date
order by 1, 2, 3
