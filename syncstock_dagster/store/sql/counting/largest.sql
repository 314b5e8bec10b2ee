-- The largest variances of each day, openings left out, by value at cost where it is known, else by units; held counts
-- with them. Grain: count.
select f.day, f.location, f.sku, f.name, f.inventory_id, f.counted_at, f.counted, f.expected, f.variance, f.value,
       f.is_held, f.count_id
from (
  select v.*, l.code as location, p.sku, p.name, v.variance * p.cost as value,
         row_number() over (
           partition by v.day order by abs(v.variance * p.cost) desc nulls last, abs(v.variance) desc, v.count_id) as place
  from counted_variances as v
  join locations as l using (location_id)
  left join products as p using (inventory_id)
  where not v.is_opening and v.variance <> 0 and v.day between %(first)s::date and %(last)s::date) as f
where f.place <= %(most)s
order by f.day, f.place
