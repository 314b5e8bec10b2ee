-- How right the books were where somebody counted: each count by itself, never netted. Openings are left out, held counts
-- stand as they are. A count is within where its variance is at most so many units or so much of what was expected. Class
-- is that of the last day. Grain: what is asked for, of location, category, class, month and day.
with classes as (
  select location_id, inventory_id, abc
  from abc_classes(%(as_of)s, %(window_days)s, %(a_until)s, %(b_until)s)
  where %(by_class)s and location_id is not null),
found as (
  select v.day, v.location_id, v.inventory_id, v.is_held, v.variance, v.variance * p.cost as value,
         p.cost is null and v.variance <> 0 as is_without_cost, p.category_id,
         abs(v.variance) <= greatest(%(units)s, %(percent)s * abs(v.expected) / 100) as is_within
  from counted_variances as v
  left join products as p using (inventory_id)
  where not v.is_opening and (%(first)s::date is null or v.day >= %(first)s::date)
    and (%(last)s::date is null or v.day <= %(last)s::date))
select case when %(by_day)s then f.day end as day,
       case when %(by_month)s then to_char(f.day, 'YYYY-MM') end as month,
       case when %(by_location)s then l.code end as location,
       case when %(by_category)s then g.name end as category,
       case when %(by_class)s then coalesce(c.abc, 'C') end as class,
       count(*)::int as counts, (count(*) filter (where f.is_within))::int as within,
       (count(*) filter (where f.is_held))::int as held,
       round((count(*) filter (where f.is_within))::numeric / count(*), 6) as accuracy,
       sum(f.variance) as net_units, sum(abs(f.variance)) as absolute_units,
       coalesce(sum(f.value), 0) as net_value, coalesce(sum(abs(f.value)), 0) as absolute_value,
       (count(*) filter (where f.is_without_cost))::int as without_cost
from found as f
join locations as l using (location_id)
left join categories as g using (category_id)
left join classes as c using (location_id, inventory_id)
group by 1, 2, 3, 4, 5
order by 1, 2, 3, 4, 5
