-- Counts of some days (null: of all) that are far from the books: to review, flagged, held or rejected; and how many
-- counts there were. Grain: count; first the one farthest from the books.
with gates as (
  select name, review_from, hold_above
  from jsonb_to_recordset(%(gates)s::jsonb) as g (name text, review_from numeric, hold_above numeric)),
in_force as (
  select p.inventory_id, p.location_id, p.counted_at, p.quantity as counted, p.variance, p.count_id,
         case when exists (
           select from count_points as q
           where q.inventory_id = p.inventory_id and q.location_id = p.location_id
             and q.counted_at < p.counted_at and q.recorded_to = 'infinity') then 'applied' else 'opening' end as status
  from count_points as p
  join locations as l using (location_id)
  where p.recorded_to = 'infinity'
    and (%(first)s::date is null or
         (p.counted_at at time zone l.timezone)::date between %(first)s::date and %(last)s::date)),
undecided as (
  select c.inventory_id, c.location_id, c.counted_at, c.quantity as counted,
         c.quantity - coalesce((
           select sum(e.delta) from ledger_entries as e
           where e.inventory_id = c.inventory_id and e.location_id = c.location_id
             and e.effective_at <= c.counted_at
             and not (e.effective_at = c.counted_at and e.entry_type = 'adjustment')), 0) as variance,
         c.count_id, c.decision::text as status
  from stock_counts as c
  join locations as l using (location_id)
  where c.decision in ('held', 'rejected') and c.withdrawn_by is null and c.standing <> 'superseded'
    and (%(first)s::date is null or
         (c.counted_at at time zone l.timezone)::date between %(first)s::date and %(last)s::date)),
together as (
  select * from in_force
  union all
  select * from undecided),
judged as (
  select t.inventory_id, p.sku, l.code as location, t.counted_at,
         (t.counted_at at time zone l.timezone)::date as day, s.name as source, t.counted,
         t.counted - t.variance as expected, t.variance, t.count_id,
         case
           when t.status <> 'applied' or v.tier is null or v.decided_by <> 'gate' then t.status
           when abs(t.variance) > g.hold_above or (v.tier = 'tolerance' and abs(t.variance) >= g.review_from)
             then 'flagged'
           when abs(t.variance) >= g.review_from then 'review'
           else t.status end as status
  from together as t
  join locations as l using (location_id)
  join stock_counts as c using (count_id)
  join sources as s using (source_id)
  left join products as p on p.inventory_id = t.inventory_id
  left join gates as g on g.name = s.name
  left join lateral (
    select x.tier, x.decided_by from decisions as x
    where x.count_id = t.count_id
    order by x.decision_id desc
    limit 1) as v on true)
select day, location, sku, inventory_id, source, counted_at, counted, expected, variance, status, count_id,
       count(*) over () as counts, count(*) over (partition by status) as of_status
from judged
order by status in ('review', 'flagged', 'held', 'rejected') desc, abs(variance) desc, count_id
