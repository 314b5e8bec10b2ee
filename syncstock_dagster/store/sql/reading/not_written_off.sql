-- What lists that staff keep still lack: the last line of each article, where it was no count and is not what the books
-- say at its time. Those that are explained say what the books said at some moment since the line was written, or lack
-- what went out since; the others somebody should look at. A later line that agrees with the books, or is a count, ends
-- it. Grain: article, location, source.
with listed as (
  select distinct inventory_id, location_id, source_id
  from stock_counts
  where decision = 'listed' and withdrawn_by is null),
last_lines as (
  select k.inventory_id, k.location_id, k.source_id, v.*
  from listed as k
  cross join lateral (
    select c.counted_at, d.received_at, c.delivery_id, d.name as file, sum(c.quantity) as listed,
           min(c.count_id) as count_id, bool_and(c.decision = 'listed') as is_no_count
    from stock_counts as c
    join deliveries as d using (delivery_id)
    where c.inventory_id = k.inventory_id and c.location_id = k.location_id and c.source_id = k.source_id
      and c.withdrawn_by is null
    group by c.counted_at, d.received_at, c.delivery_id, d.name
    order by c.counted_at desc, d.received_at desc, c.delivery_id desc
    limit 1) as v),
-- The version that wrote what the line says: the first of those that say so without a break; where that is the last
-- one itself, the one before it.
since as (
  select l.*, coalesce(w.counted_at, x.differing_at) as since
  from last_lines as l
  cross join lateral (
    select max(c.counted_at) as differing_at
    from (
      select c.counted_at, sum(c.quantity) as quantity
      from stock_counts as c
      where c.inventory_id = l.inventory_id and c.location_id = l.location_id and c.source_id = l.source_id
        and c.counted_at < l.counted_at and c.withdrawn_by is null
      group by c.counted_at, c.delivery_id) as c
    where c.quantity <> l.listed) as x
  left join lateral (
    select min(c.counted_at) as counted_at
    from stock_counts as c
    where c.inventory_id = l.inventory_id and c.location_id = l.location_id and c.source_id = l.source_id
      and c.counted_at > coalesce(x.differing_at, '-infinity') and c.counted_at < l.counted_at
      and c.withdrawn_by is null) as w on true
  where l.is_no_count),
compared as (
  select s.*, b.book, m.moved, m.is_explained
  from since as s
  cross join lateral (
    select coalesce(sum(e.delta), 0) as book
    from ledger_entries as e
    where e.inventory_id = s.inventory_id and e.location_id = s.location_id and e.effective_at <= s.counted_at) as b
  cross join lateral (
    select coalesce(sum(x.of_instant), 0) as moved,
           coalesce(bool_or(s.listed = b.book - x.moved or (x.is_all and s.listed = b.book - x.moved_out)), false)
             as is_explained
    from (
      select sum(e.delta) filter (where e.entry_type = 'movement') as of_instant, sum(sum(e.delta)) over younger as moved,
             sum(sum(e.delta) filter (where e.delta < 0 and e.entry_type = 'movement')) over younger as moved_out,
             row_number() over (order by e.effective_at) = 1 as is_all
      from ledger_entries as e
      where e.inventory_id = s.inventory_id and e.location_id = s.location_id
        and e.effective_at > s.since and e.effective_at <= s.counted_at
      group by e.effective_at
      window younger as (order by e.effective_at desc)) as x) as m)
select c.inventory_id, p.sku, p.name, l.code as location, o.name as source, c.file, c.count_id, c.counted_at as listed_at,
       c.listed, c.book, c.listed - c.book as difference, c.since, c.moved, c.is_explained
from compared as c
join locations as l using (location_id)
join sources as o using (source_id)
left join products as p using (inventory_id)
where c.listed <> c.book
order by l.code, p.sku
