-- Ledger entries in effective order with their running balance. Of entries at one instant, movements come
-- before the adjustment of the count that contains them. Grain: entry.
select e.inventory_id, l.code as location, e.effective_at, e.reason, s.name as source,
       case when m.document_key like ':%%' then substr(m.document_key, 2) end as ref,
       e.delta,
       sum(e.delta) over (
         partition by e.inventory_id, e.location_id
         order by e.effective_at, e.entry_type, e.recorded_at, e.entry_id) as running,
       e.recorded_at, e.entry_type::text as entry_type, e.entry_id, o.operation_uuid::text as operation_uuid
from ledger_entries as e
join locations as l using (location_id)
left join sources as s on s.source_id = e.source_id
left join movements as m on m.movement_id = e.movement_id
left join sync_operations as o on o.operation_id = e.operation_id
where (%(inventory_id)s::bigint is null or e.inventory_id = %(inventory_id)s::bigint)
  and (%(location)s::text is null or l.code = %(location)s::text)
  and (%(known_at)s::timestamptz is null or e.recorded_at <= %(known_at)s::timestamptz)
order by e.inventory_id, l.code, e.effective_at, e.entry_type, e.recorded_at, e.entry_id
