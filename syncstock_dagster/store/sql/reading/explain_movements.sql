-- The newest movements of an article since the last count in force at each location. The entries of one document
-- line are one row; what was withdrawn is none. Grain: location, document line, instant.
with lines as (
  select e.location_id, e.effective_at, e.source_id, m.document_key, m.line_key, m.leg,
         max(e.reason) filter (where e.events >= 0) as reason, sum(e.delta) as quantity,
         max(e.recorded_at) as recorded_at, bool_or(m.day_grain) filter (where e.events >= 0) as day_grain,
         row_number() over (
           partition by e.location_id order by e.effective_at desc, max(e.entry_id) desc) as newness
  from item_stock as k
  left join lateral (
    select q.counted_at from count_points as q
    where q.inventory_id = k.inventory_id and q.location_id = k.location_id and q.recorded_to = 'infinity'
    order by q.counted_at desc
    limit 1) as p on true
  join ledger_entries as e
    on e.inventory_id = k.inventory_id and e.location_id = k.location_id
    and e.effective_at > coalesce(p.counted_at, '-infinity')
  left join movements as m using (movement_id)
  where k.inventory_id = %(inventory_id)s and e.entry_type = 'movement'
  group by e.location_id, e.effective_at, e.source_id, m.document_key, m.line_key, m.leg
  having sum(e.events) <> 0 or sum(e.delta) <> 0)
select l.code as location, x.effective_at, x.reason, s.name as source,
       case when x.document_key like ':%%' then substr(x.document_key, 2) end as document,
       x.quantity, x.recorded_at, x.day_grain
from lines as x
join locations as l using (location_id)
left join sources as s using (source_id)
where x.newness <= %(newest)s and (%(location)s::text is null or l.code = %(location)s::text)
order by l.code, x.effective_at desc, x.newness
