-- Counts of some days (null: of all) that are far from the books: to review, flagged, held or rejected; and how many
-- counts there were. Grain: count; first the one farthest from the books.
with gates as materialized (
  select * from gates_in_effect(%(gates)s::jsonb)),
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
         case when t.status = 'opening' then t.status else g.tier end as tier,
         t.variance * unit_value(p.cost, p.price) as value,
         count_status(t.status, v.decided_by, v.tier, g.tier) as status
  from together as t
  join locations as l using (location_id)
  join stock_counts as c using (count_id)
  join sources as s using (source_id)
  left join products as p on p.inventory_id = t.inventory_id
  left join gates as of_source
    on of_source.source_id = c.source_id and of_source.category_id is null and of_source.inventory_id is null
  left join gates as of_category on of_category.source_id = c.source_id and of_category.category_id = p.category_id
  left join gates as of_article on of_article.source_id = c.source_id and of_article.inventory_id = t.inventory_id
  left join lateral (
    select x.tier, x.decided_by, x.counted, x.expected from decisions as x
    where x.count_id = t.count_id
    order by x.decision_id desc
    limit 1) as v on true
  cross join lateral (
    select present_tier(
      v.expected = t.counted - t.variance and (v.counted = t.counted or t.status <> 'applied'), v.tier, t.variance,
      t.counted - t.variance, unit_value(p.cost, p.price),
      coalesce(of_article.limits, of_category.limits, of_source.limits)) as tier
    offset 0) as g)
select day, location, sku, inventory_id, source, counted_at, counted, expected, variance, tier, value, status, count_id,
       count(*) over () as counts, count(*) over (partition by status) as of_status
from judged
order by status in ('review', 'flagged', 'held', 'rejected') desc, abs(variance) desc, count_id
