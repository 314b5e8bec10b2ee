-- The change of each business day's closing balance begins on the day of the entry. Grain: article, location,
-- day; a day whose entries cancel out stays, for it may be the first with anything on it.
insert into run_day_deltas
select e.inventory_id, e.location_id, closing_day(e.effective_at, l.timezone), sum(e.delta)
from run_entries as e
join run_locations as l using (location_id)
group by 1, 2, 3
