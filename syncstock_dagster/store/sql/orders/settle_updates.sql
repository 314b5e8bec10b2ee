-- What the staff's sheets show by now: a deduction is closed by the first count of a sheet at or after it that agrees,
-- which is one that the gate let pass within tolerance or a person approved. Where that count leaves force, the
-- deduction is open again. Grain: line of an order, of the articles that this run touches.
with touched as (
  select u.*
  from run_pairs as r
  join pending_excel_updates as u using (inventory_id, location_id)
  where u.closed_by is null
  union all
  select u.*
  from run_count_keys as k
  join stock_counts as c using (inventory_id, location_id, counted_at)
  join pending_excel_updates as u on u.closed_by = c.count_id
  where not exists (
    select from count_points as p
    where p.inventory_id = c.inventory_id and p.location_id = c.location_id and p.counted_at = c.counted_at
      and p.count_id = c.count_id and p.recorded_to = 'infinity')),
settled as (
  select t.movement_id, a.count_id
  from touched as t
  left join lateral (
    select c.count_id
    from count_points as p
    join stock_counts as c using (count_id)
    join run_sources as s on s.source_id = c.source_id and s.of_counts
    left join lateral (
      select x.tier, x.decided_by
      from decisions as x
      where x.count_id = c.count_id
      order by x.decision_id desc
      limit 1) as d on true
    where p.inventory_id = t.inventory_id and p.location_id = t.location_id and p.counted_at >= t.effective_at
      and p.recorded_to = 'infinity'
      and (s.trust = 'gated' or s.name = 'excel')
      and (d.tier is null or d.tier in ('opening', 'tolerance') or d.decided_by <> 'gate')
    order by p.counted_at
    limit 1) as a on true)
update pending_excel_updates as u
set closed_by = s.count_id
from settled as s
where u.movement_id = s.movement_id and u.closed_by is distinct from s.count_id
