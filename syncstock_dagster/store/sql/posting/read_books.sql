-- Balance of the ledger at an instant, read backwards from the next count in force, whose quantity is the
-- balance there, or from the present stock: counts are mostly young, so few entries lie behind them. Of instants
-- with none of these between them, each reads only as far as the next, whose sum it adds.
-- Grain: article, location, instant.
with asked as (
  select k.inventory_id, k.location_id, k.counted_at, n.counted_at as count_at, n.quantity,
         lead(k.counted_at) over (partition by k.inventory_id, k.location_id order by k.counted_at) as next_asked
  from run_books as k
  left join lateral (
    select c.counted_at, c.quantity
    from count_points as c
    where c.inventory_id = k.inventory_id and c.location_id = k.location_id
      and c.counted_at > k.counted_at and c.recorded_to = 'infinity'
    order by c.counted_at
    limit 1
  ) as n on true),
spans as (
  select a.inventory_id, a.location_id, a.counted_at, a.count_at, a.quantity, coalesce(since.delta, 0) as delta
  from asked as a
  cross join lateral (
    select sum(e.delta) as delta
    from ledger_entries as e
    where e.inventory_id = a.inventory_id and e.location_id = a.location_id
      and e.effective_at > a.counted_at and e.effective_at <= least(a.next_asked, a.count_at, 'infinity')
  ) as since)
update run_books as b
set book = x.book
from (
  select s.inventory_id, s.location_id, s.counted_at,
         coalesce(s.quantity, p.on_hand)
           - sum(s.delta) over (
               partition by s.inventory_id, s.location_id, s.count_at order by s.counted_at desc) as book
  from spans as s
  join run_pairs as p using (inventory_id, location_id)) as x
where (b.inventory_id, b.location_id, b.counted_at) = (x.inventory_id, x.location_id, x.counted_at)
