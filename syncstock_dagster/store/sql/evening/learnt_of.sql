-- Counts of the days before one, from another on, whose variance is as it is because of what came on that day: their own
-- sheet, or rows that stand before them. Grain: count.
select distinct p.count_id
from ledger_entries as e
join locations as l using (location_id)
join count_points as p
  on p.inventory_id = e.inventory_id and p.location_id = e.location_id and p.counted_at = e.effective_at
  and p.recorded_to = 'infinity'
where e.entry_type = 'adjustment'
  and e.recorded_at >= %(day)s::date::timestamp at time zone %(timezone)s
  and e.recorded_at < (%(day)s::date + 1)::timestamp at time zone %(timezone)s
  and (e.effective_at at time zone l.timezone)::date between %(since)s::date and %(day)s::date - 1
