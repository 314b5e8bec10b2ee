-- Counts in force at whose instant the ledger does not sum to what was counted. Grain: count in force.
select p.inventory_id, p.location_id, p.counted_at, p.quantity, b.balance
from (
  select e.inventory_id, e.location_id, e.effective_at,
         sum(sum(e.delta)) over (
           partition by e.inventory_id, e.location_id order by e.effective_at) as balance
  from ledger_entries as e
  group by e.inventory_id, e.location_id, e.effective_at) as b
right join count_points as p
  on (b.inventory_id, b.location_id, b.effective_at) = (p.inventory_id, p.location_id, p.counted_at)
where p.recorded_to = 'infinity' and b.balance is distinct from p.quantity
