-- What staff must write into their sheets at the end of a day: previous + received - sold + adjusted = remaining, beside
-- what their last sheet says. Of a day that is not over all that is known counts, also an order that stands after a count
-- of tonight. Listed is what differs from the sheet, if it moved, was sold since, or was ever on one; what only waits for
-- a decision is not. Grain: article and location.
with places as (
  select l.location_id, l.code, day_end(%(day)s::date - 1, l.timezone) as before,
         day_end(%(day)s::date, l.timezone) as ends,
         -- Whose movements of later days count already: nobody's, once the day is over.
         (select o.source_id from sources as o
          where o.name = 'orders' and (clock_timestamp() at time zone l.timezone)::date <= %(day)s::date) as orders_id
  from locations as l),
facts as (
  select s.inventory_id, s.location_id, p.code as location, coalesce(r.on_hand, 0) as previous, e.received, e.sold,
         e.adjusted, h.says as sheet_says, h.counted_at as sheet_counted_at, u.pending, u.orders, k.held
  from item_stock as s
  join places as p using (location_id)
  left join stock_ranges as r
    on r.inventory_id = s.inventory_id and r.location_id = s.location_id
    and r.valid_from < %(day)s::date and r.valid_to >= %(day)s::date
  cross join lateral (
    select coalesce(sum(x.delta) filter (where x.entry_type = 'movement' and x.reason not in ('sale', 'return')
                                          and x.delta > 0), 0) as received,
           coalesce(-sum(x.delta) filter (where x.entry_type = 'movement' and x.reason in ('sale', 'return')), 0) as sold,
           coalesce(sum(x.delta) filter (where x.entry_type = 'adjustment'
                                          or (x.reason not in ('sale', 'return') and x.delta < 0)), 0) as adjusted
    from ledger_entries as x
    where x.inventory_id = s.inventory_id and x.location_id = s.location_id
      and x.effective_at > p.before and (x.effective_at <= p.ends or x.source_id = p.orders_id)) as e
  left join lateral (
    select c.counted_at, c.source_id, c.session
    from stock_counts as c
    join deliveries as d using (delivery_id)
    where c.inventory_id = s.inventory_id and c.location_id = s.location_id and c.counted_at <= p.ends
      and c.withdrawn_by is null and c.source_id in (
        select o.source_id from sources as o where o.name = any(%(sheet_sources)s))
    order by c.counted_at desc, d.received_at desc, c.count_id desc
    limit 1) as l on true
  left join lateral (
    select sum(c.quantity) as says, l.counted_at
    from stock_counts as c
    where c.inventory_id = s.inventory_id and c.location_id = s.location_id and c.counted_at = l.counted_at
      and c.source_id = l.source_id and c.session is not distinct from l.session and c.withdrawn_by is null
      and c.standing <> 'superseded') as h on true
  cross join lateral (
    select coalesce(sum(x.deducted), 0) as pending, count(distinct x.order_ref) as orders
    from pending_excel_updates as x
    join movements as m using (movement_id)
    where x.inventory_id = s.inventory_id and x.location_id = s.location_id and x.closed_by is null
      and m.state = 'in_force' and (x.effective_at <= p.ends or p.orders_id is not null)) as u
  cross join lateral (
    select count(*) as held
    from stock_counts as c
    where c.inventory_id = s.inventory_id and c.location_id = s.location_id and c.decision = 'held'
      and c.withdrawn_by is null and c.standing = 'none') as k
  where s.events > 0)
select f.location, a.sku, a.name, f.previous, f.received, f.sold, f.adjusted,
       f.previous + f.received - f.sold + f.adjusted as remaining, f.sheet_says, f.sheet_counted_at, f.pending,
       f.orders::int as orders, f.held::int as held
from facts as f
join products as a using (inventory_id)
where f.sheet_says is distinct from f.previous + f.received - f.sold + f.adjusted
  and (f.sold <> 0 or f.received <> 0 or f.adjusted <> 0 or f.pending <> 0
       or (f.sheet_says is not null and f.held = 0))
order by f.location, a.sku
