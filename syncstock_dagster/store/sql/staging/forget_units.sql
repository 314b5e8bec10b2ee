-- Units that an article no longer has. Grain: article and unit.
delete from product_units as u
using run_parts as f
join run_commit as c using (staging_id)
where c.problem is null and f.field like 'units.%%' and f.new is null
  and u.inventory_id = c.inventory_id and u.unit = substr(f.field, 7)
