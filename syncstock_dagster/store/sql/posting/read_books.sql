-- Balance of the ledger at an instant, read backwards from the next count in force, whose quantity is the
-- balance there, or from the present stock: counts are mostly young, so few entries lie behind them.
-- Grain: article, location, instant.
update run_books as b
set book = coalesce(n.quantity, p.on_hand) - coalesce(since.delta, 0)
from run_books as k
join run_pairs as p using (inventory_id, location_id)
left join lateral (
  select c.counted_at, c.quantity
  from count_points as c
  where c.inventory_id = k.inventory_id and c.location_id = k.location_id
    and c.counted_at > k.counted_at and c.recorded_to = 'infinity'
  order by c.counted_at
  limit 1
) as n on true
cross join lateral (
  select sum(e.delta) as delta
  from ledger_entries as e
  where e.inventory_id = k.inventory_id and e.location_id = k.location_id
    and e.effective_at > k.counted_at and e.effective_at <= coalesce(n.counted_at, 'infinity')
) as since
where (b.inventory_id, b.location_id, b.counted_at) = (k.inventory_id, k.location_id, k.counted_at)
