-- For people in psql.

create view inventory_ledger as
select
  e.entry_id, e.inventory_id, p.sku, l.code as location, e.effective_at as occurred_at, e.recorded_at,
  e.entry_type, e.reason, s.name as source_type,
  case when m.document_key like ':%' then substr(m.document_key, 2) end as document, e.delta, e.events, o.operation_uuid
from ledger_entries as e
join locations as l using (location_id)
left join products as p using (inventory_id)
left join sources as s on s.source_id = e.source_id
left join movements as m on m.movement_id = e.movement_id
left join sync_operations as o on o.operation_id = e.operation_id;

-- Dense: each article and location on every business day from its first event to today.
create view item_stock_daily as
select d.day::date as day, r.inventory_id, r.location_id, r.on_hand
from stock_ranges as r
join locations as l using (location_id)
cross join lateral generate_series(
  r.valid_from,
  least(r.valid_to - 1, (now() at time zone l.timezone)::date),
  interval '1 day') as d (day);

-- L6: stock below zero, with the instant since which the balance has been negative without a break.
create view negative_stock as
select s.inventory_id, s.location_id, s.on_hand, since.effective_at as negative_since
from item_stock as s
cross join lateral (
  select max(b.effective_at) filter (where b.running < 0 and b.running >= b.change) as effective_at
  from (
    select e.effective_at, sum(e.delta) as change,
           sum(sum(e.delta)) over (order by e.effective_at rows unbounded preceding) as running
    from ledger_entries as e
    where e.inventory_id = s.inventory_id and e.location_id = s.location_id
    group by e.effective_at
  ) as b
) as since
where s.on_hand < 0;
