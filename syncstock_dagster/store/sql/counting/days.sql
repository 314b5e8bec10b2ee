-- What counts of each day found, for reports of days: openings, counts and how many were within tolerance, never netted,
-- units and value netted and not. Grain: business day on which somebody counted.
select v.day, (count(*) filter (where v.is_opening))::int as openings,
       (count(*) filter (where not v.is_opening))::int as counts,
       (count(*) filter (where not v.is_opening and w.is_within))::int as within,
       count(distinct (v.inventory_id, v.location_id))::int as articles,
       coalesce(sum(w.variance), 0) as net_units, coalesce(sum(abs(w.variance)), 0) as absolute_units,
       coalesce(sum(w.variance * p.cost), 0) as net_value, coalesce(sum(abs(w.variance * p.cost)), 0) as absolute_value,
       (count(*) filter (where w.variance <> 0 and p.cost is null))::int as without_cost
from counted_variances as v
left join products as p using (inventory_id)
cross join lateral (
  select case when not v.is_opening then v.variance end as variance,
         abs(v.variance) <= greatest(%(units)s, %(percent)s * abs(v.expected) / 100) as is_within) as w
where v.day between %(first)s::date and %(last)s::date
group by v.day
order by v.day
