-- What moved an article since the last count in force at each location, or ever where there is none. What was
-- withdrawn or corrected has cancelled itself. Grain: location and reason.
select l.code as location, e.reason, sum(e.events)::int as movements, sum(e.delta) as quantity
from item_stock as k
join locations as l using (location_id)
left join lateral (
  select q.counted_at from count_points as q
  where q.inventory_id = k.inventory_id and q.location_id = k.location_id and q.recorded_to = 'infinity'
  order by q.counted_at desc
  limit 1) as p on true
join ledger_entries as e
  on e.inventory_id = k.inventory_id and e.location_id = k.location_id
  and e.effective_at > coalesce(p.counted_at, '-infinity')
where k.inventory_id = %(inventory_id)s and e.entry_type = 'movement'
  and (%(location)s::text is null or l.code = %(location)s::text)
group by l.code, e.reason
having sum(e.events) <> 0 or sum(e.delta) <> 0
order by l.code, sum(e.events) desc, e.reason
