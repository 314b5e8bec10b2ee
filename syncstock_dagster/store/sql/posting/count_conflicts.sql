-- Counts that disagree with the one in force, and advisory counts that differ from the stock at their
-- instant, become conflicts, once per fact. Grain: count.
with disagreeing as (
  select c.count_id, c.inventory_id, c.location_id, c.source_id, c.counted_at, c.quantity as remote,
         p.quantity as local, 'counts_disagree' as conflict_type
  from run_count_keys as k
  join stock_counts as c using (inventory_id, location_id, counted_at)
  join count_points as p using (inventory_id, location_id, counted_at)
  where c.standing = 'conflict' and c.withdrawn_by is null and p.recorded_to = 'infinity'
  union all
  select c.count_id, c.inventory_id, c.location_id, c.source_id, c.counted_at, c.quantity, b.book,
         'advisory_difference'
  from run_counts as c
  join run_books as b using (inventory_id, location_id, counted_at)
  where c.decision = 'advisory' and c.quantity <> b.book),
facts as (
  select distinct on (fact) *
  from (
    select d.*, d.conflict_type || ' ' || md5(jsonb_build_array(
             d.inventory_id, d.location_id, d.counted_at, d.source_id, trim_scale(d.remote),
             case when conflict_type = 'counts_disagree' then trim_scale(d.local) end)::text) as fact
    from disagreeing as d) as named
  order by fact, count_id),
obsolete as (
  update sync_conflicts as k
  set status = 'obsolete', resolved_at = clock_timestamp()
  from run_count_keys as t
  join stock_counts as c using (inventory_id, location_id, counted_at)
  where k.status = 'open' and k.conflict_type = 'counts_disagree' and k.count_id = c.count_id
    and not exists (select from facts as f where f.fact = k.fact))
insert into sync_conflicts
  (sync_operation_id, conflict_type, fact, inventory_id, location_id, source, local_value, remote_value,
   severity, count_id)
select %(operation_id)s, f.conflict_type, f.fact, f.inventory_id, f.location_id, s.name,
       jsonb_build_object('counted_at', f.counted_at, 'quantity', trim_scale(f.local)),
       jsonb_build_object('counted_at', f.counted_at, 'quantity', trim_scale(f.remote)),
       case when f.conflict_type = 'counts_disagree' then 'high' else 'low' end, f.count_id
from facts as f
join sources as s using (source_id)
order by f.fact
on conflict (fact) do update
  set status = 'open', resolved_at = null, count_id = excluded.count_id
  where sync_conflicts.status = 'obsolete'
