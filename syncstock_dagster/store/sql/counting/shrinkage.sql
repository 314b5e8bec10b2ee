-- What was lost and found: movements of the reasons by which goods are lost, and what counts in force made of the books,
-- openings left out. Value at present cost. Class is that of the last day. Grain: what is asked for, of reason,
-- location, category, class, month and day.
with classes as (
  select location_id, inventory_id, abc
  from abc_classes(%(as_of)s, %(window_days)s, %(a_until)s, %(b_until)s)
  where %(by_class)s and location_id is not null),
moved as (
  select d.day, m.location_id, m.inventory_id, lower(btrim(m.reason)) as reason, m.quantity
  from movements as m
  join locations as l using (location_id)
  cross join lateral (
    select case when m.day_grain then m.day else (m.effective_at at time zone l.timezone)::date end as day) as d
  where m.state = 'in_force' and m.reason not in ('sale', 'purchase', 'return', 'transfer') and not m.advisory
    and lower(btrim(m.reason)) = any(%(reasons)s)
    and m.effective_at >= coalesce(%(first)s::date - 2, '-infinity')
    and m.effective_at < coalesce(%(last)s::date + 3, 'infinity')
    and (%(first)s::date is null or d.day >= %(first)s::date) and (%(last)s::date is null or d.day <= %(last)s::date)
    and m.quantity <> 0
  union all
  select v.day, v.location_id, v.inventory_id, 'count', v.variance
  from counted_variances as v
  where not v.is_opening and not v.is_held and v.variance <> 0
    and (%(first)s::date is null or v.day >= %(first)s::date) and (%(last)s::date is null or v.day <= %(last)s::date))
select case when %(by_day)s then m.day end as day,
       case when %(by_month)s then to_char(m.day, 'YYYY-MM') end as month,
       case when %(by_location)s then l.code end as location,
       case when %(by_category)s then g.name end as category,
       case when %(by_class)s then coalesce(c.abc, 'C') end as class,
       case when %(by_reason)s then m.reason end as reason,
       count(*)::int as lines, coalesce(-sum(m.quantity) filter (where m.quantity < 0), 0) as lost,
       coalesce(sum(m.quantity) filter (where m.quantity > 0), 0) as found, -sum(m.quantity) as net,
       coalesce(-sum(m.quantity * p.cost) filter (where m.quantity < 0), 0) as lost_value,
       coalesce(sum(m.quantity * p.cost) filter (where m.quantity > 0), 0) as found_value,
       coalesce(-sum(m.quantity * p.cost), 0) as net_value,
       (count(*) filter (where p.cost is null))::int as without_cost
from moved as m
join locations as l using (location_id)
left join products as p using (inventory_id)
left join categories as g using (category_id)
left join classes as c using (location_id, inventory_id)
group by 1, 2, 3, 4, 5, 6
order by 1, 2, 3, 4, 5, 6
