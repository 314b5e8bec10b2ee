-- Counts in force, and those that are held or rejected, as the gate sees them today: all, those of some business days,
-- or some that are named. Grain: article, location, instant of a count in force; else count.
create function counts_judged(gates jsonb, first_day date, last_day date, only_counts bigint[])
  returns table (
    count_id bigint, inventory_id bigint, location_id int, counted_at timestamptz, day date, source_id smallint,
    counted numeric, expected numeric, variance numeric, value numeric, tier text, status text)
  language sql stable
begin atomic
  with limits_in_effect as materialized (
    select * from gates_in_effect(gates)),
  named as (
    select n.inventory_id, n.location_id, n.counted_at
    from unnest(only_counts) as o (count_id)
    join stock_counts as n on n.count_id = o.count_id
    group by 1, 2, 3),
  points as (
    select p.inventory_id, p.location_id, p.counted_at, p.quantity, p.variance, p.count_id
    from count_points as p
    where only_counts is null and p.recorded_to = 'infinity'
      and (first_day is null
           or p.counted_at between first_day - interval '2 days' and last_day + interval '3 days')
    union all
    select p.inventory_id, p.location_id, p.counted_at, p.quantity, p.variance, p.count_id
    from named as n
    join count_points as p on p.inventory_id = n.inventory_id and p.location_id = n.location_id
      and p.counted_at = n.counted_at and p.recorded_to = 'infinity'),
  open_counts as (
    select c.inventory_id, c.location_id, c.counted_at, c.quantity, c.count_id, c.decision
    from stock_counts as c
    where only_counts is null and c.decision in ('held', 'rejected') and c.withdrawn_by is null
      and c.standing <> 'superseded'
      and (first_day is null
           or c.counted_at between first_day - interval '2 days' and last_day + interval '3 days')
    union all
    select c.inventory_id, c.location_id, c.counted_at, c.quantity, c.count_id, c.decision
    from unnest(only_counts) as o (count_id)
    join stock_counts as c on c.count_id = o.count_id
    where c.decision in ('held', 'rejected') and c.withdrawn_by is null and c.standing <> 'superseded'),
  together as (
    select p.inventory_id, p.location_id, p.counted_at, (p.counted_at at time zone l.timezone)::date as day,
           p.quantity as counted, p.variance, p.count_id,
           case when exists (
             select from count_points as q
             where q.inventory_id = p.inventory_id and q.location_id = p.location_id
               and q.counted_at < p.counted_at and q.recorded_to = 'infinity') then 'applied' else 'opening' end as fate
    from points as p
    join locations as l on l.location_id = p.location_id
    where first_day is null or (p.counted_at at time zone l.timezone)::date between first_day and last_day
    union all
    select c.inventory_id, c.location_id, c.counted_at, (c.counted_at at time zone l.timezone)::date, c.quantity,
           c.quantity - b.expected, c.count_id, c.decision::text
    from open_counts as c
    join locations as l on l.location_id = c.location_id
    cross join lateral (
      select coalesce(sum(e.delta), 0) as expected
      from ledger_entries as e
      where e.inventory_id = c.inventory_id and e.location_id = c.location_id and e.effective_at <= c.counted_at
        and not (e.effective_at = c.counted_at and e.entry_type = 'adjustment')) as b
    where first_day is null or (c.counted_at at time zone l.timezone)::date between first_day and last_day)
  select t.count_id, t.inventory_id, t.location_id, t.counted_at, t.day, c.source_id, t.counted,
         t.counted - t.variance, t.variance, t.variance * unit_value(p.cost, p.price),
         case when t.fate = 'opening' then t.fate else g.tier end, count_status(t.fate, v.decided_by, v.tier, g.tier)
  from together as t
  join stock_counts as c on c.count_id = t.count_id
  left join products as p on p.inventory_id = t.inventory_id
  left join limits_in_effect as of_source
    on of_source.source_id = c.source_id and of_source.category_id is null and of_source.inventory_id is null
  left join limits_in_effect as of_category
    on of_category.source_id = c.source_id and of_category.category_id = p.category_id
  left join limits_in_effect as of_article
    on of_article.source_id = c.source_id and of_article.inventory_id = t.inventory_id
  left join lateral (
    select x.tier, x.decided_by, x.counted, x.expected from decisions as x
    where x.count_id = t.count_id
    order by x.decision_id desc
    limit 1) as v on true
  cross join lateral (
    select present_tier(
      v.expected = t.counted - t.variance and (v.counted = t.counted or t.fate <> 'applied'), v.tier, t.variance,
      t.counted - t.variance, unit_value(p.cost, p.price),
      coalesce(of_article.limits, of_category.limits, of_source.limits)) as tier
    offset 0) as g;
end;
