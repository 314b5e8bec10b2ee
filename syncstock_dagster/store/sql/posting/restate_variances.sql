-- Variances of published days that this run changed (law L12). Grain: article, location, instant.
insert into restatements
  (kind, inventory_id, location_id, first_day, last_day, counted_at, old_value, new_value, recorded_at,
   operation_id, caused_by)
select 'variance', e.inventory_id, e.location_id, x.day, x.day, e.effective_at, coalesce(p.variance, 0) - e.delta,
       p.variance, r.stamp, %(operation_id)s,
       array(
         select y.entry_id from ledger_entries as y
         where y.inventory_id = e.inventory_id and y.location_id = e.location_id
           and y.operation_id = %(operation_id)s and y.effective_at <= e.effective_at
         order by y.entry_id)
from (
  select inventory_id, location_id, effective_at, sum(delta) as delta, sum(events) as events
  from run_entries
  where entry_type = 'adjustment'
  group by inventory_id, location_id, effective_at) as e
join run_locations as l using (location_id)
join run_pairs as r using (inventory_id, location_id)
cross join lateral (select closing_day(e.effective_at, l.timezone) as day) as x
left join count_points as p
  on p.inventory_id = e.inventory_id and p.location_id = e.location_id
  and p.counted_at = e.effective_at and p.recorded_to = 'infinity'
where e.events <= 0 and (e.delta <> 0 or e.events < 0) and x.day <= l.published_through
