-- Units that an article no longer has. Grain: article and unit.
delete from product_units as u
using run_commit as c
cross join lateral jsonb_each(c.change_data) as f
where c.problem is null and f.key like 'units.%%' and nullif(f.value -> 'new', 'null') is null
  and u.inventory_id = c.inventory_id and u.unit = substr(f.key, 7)
