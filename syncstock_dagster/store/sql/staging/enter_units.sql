-- Units of an article and what they hold. Grain: article and unit.
insert into product_units as u (inventory_id, unit, factor)
select c.inventory_id, substr(f.field, 7), f.new::numeric
from run_parts as f
join run_commit as c using (staging_id)
where c.problem is null and f.field like 'units.%%' and f.new is not null
order by 1, 2
on conflict (inventory_id, unit) do update set factor = excluded.factor where u.factor <> excluded.factor
