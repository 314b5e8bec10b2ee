-- The same number as the count before, though something moved in between. Where most lines of the delivery that should
-- differ repeat the count before, it is the sheet of last time. Grain: count.
insert into cause_findings
with repeated as (
  select a.count_id, a.delivery_id, a.previous_at, a.previous_counted, a.expected, a.timezone
  from cause_counts as a
  where a.counted = a.previous_counted),
deliveries_in_doubt as (
  select d.delivery_id, count(*) as lines, count(*) filter (where c.quantity = before.quantity) as same
  from (select distinct delivery_id from repeated) as d
  join stock_counts as c using (delivery_id)
  cross join lateral (
    select q.quantity, q.counted_at from count_points as q
    where q.inventory_id = c.inventory_id and q.location_id = c.location_id
      and q.counted_at < c.counted_at and q.recorded_to = 'infinity'
    order by q.counted_at desc
    limit 1) as before
  where exists (
    select from ledger_entries as e
    where e.inventory_id = c.inventory_id and e.location_id = c.location_id
      and e.effective_at > before.counted_at and e.effective_at < c.counted_at and e.entry_type = 'movement')
  group by d.delivery_id)
select r.count_id, 'repeated_count',
       case when d.lines >= 3 and d.same * 2 >= d.lines then 0.95 else 0.65 end,
       jsonb_build_object(
         'counted', trim_scale(r.previous_counted), 'moved', trim_scale(r.expected - r.previous_counted),
         'previous', to_char(r.previous_at at time zone r.timezone, 'YYYY-MM-DD HH24:MI'),
         'lines', coalesce(d.lines, 0), 'same', coalesce(d.same, 0))
from repeated as r
left join deliveries_in_doubt as d using (delivery_id)
