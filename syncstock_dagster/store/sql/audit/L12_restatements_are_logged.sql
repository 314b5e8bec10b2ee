-- Operations that changed a closing balance after its day was published, without a restatement.
-- Grain: operation, article, location, day.
with days as (
  select e.operation_id, e.inventory_id, e.location_id, closing_day(e.effective_at, l.timezone) as day,
         sum(e.delta) as delta
  from ledger_entries as e
  join locations as l using (location_id)
  where exists (select from day_closes as c where c.location_id = e.location_id)
  group by 1, 2, 3, 4),
changes as (
  select *, sum(delta) over (
    partition by operation_id, inventory_id, location_id order by day) as change
  from days)
select k.operation_id, k.inventory_id, k.location_id, k.day, k.change
from changes as k
join sync_operations as o using (operation_id)
where k.change <> 0
  and exists (
    select from day_closes as c
    where c.location_id = k.location_id and c.day >= k.day and c.closed_at < o.finished_at)
  and not exists (
    select from restatements as r
    where r.operation_id = k.operation_id and r.inventory_id = k.inventory_id
      and r.location_id = k.location_id and r.kind = 'snapshot' and k.day between r.first_day and r.last_day)
