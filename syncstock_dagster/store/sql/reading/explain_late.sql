-- Movements of an article that came, or were withdrawn, after the count they stand before: they changed the
-- variance of that count and not the stock. The newest arrivals of each location, each with how many there are
-- in all. Grain: location, document line, instant.
with counts as (
  select inventory_id, location_id, counted_at, min(recorded_from) as first_recorded
  from count_points
  where inventory_id = %(inventory_id)s
  group by inventory_id, location_id, counted_at
  having bool_or(recorded_to = 'infinity')),
late as (
  select e.location_id, e.effective_at, e.source_id, m.document_key, m.line_key, m.leg, c.counted_at,
         coalesce(max(e.reason) filter (where e.events >= 0), max(e.reason) || ' withdrawn') as reason,
         sum(e.delta) as quantity, max(e.recorded_at) as recorded_at
  from ledger_entries as e
  cross join lateral (
    select n.counted_at, n.first_recorded from counts as n
    where n.location_id = e.location_id and n.counted_at >= e.effective_at
    order by n.counted_at
    limit 1) as c
  left join movements as m using (movement_id)
  where e.inventory_id = %(inventory_id)s and e.entry_type = 'movement' and e.recorded_at > c.first_recorded
  group by e.location_id, e.effective_at, e.source_id, m.document_key, m.line_key, m.leg, c.counted_at
  having sum(e.events) <> 0 or sum(e.delta) <> 0),
numbered as (
  select late.*, count(*) over place as in_all,
         row_number() over (place order by recorded_at desc, effective_at desc) as newness
  from late
  window place as (partition by location_id))
select l.code as location, x.effective_at, x.reason, s.name as source,
       case when x.document_key like ':%%' then substr(x.document_key, 2) end as document,
       x.quantity, x.recorded_at, x.counted_at, x.in_all::int as in_all
from numbered as x
join locations as l using (location_id)
left join sources as s using (source_id)
where x.newness <= %(newest)s and (%(location)s::text is null or l.code = %(location)s::text)
order by l.code, x.newness
