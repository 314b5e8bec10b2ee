-- Units of an article and what they hold. Grain: article and unit.
insert into product_units as u (inventory_id, unit, factor)
select c.inventory_id, substr(f.key, 7), (f.value ->> 'new')::numeric
from run_commit as c
cross join lateral jsonb_each(c.change_data) as f
where c.problem is null and f.key like 'units.%%' and nullif(f.value -> 'new', 'null') is not null
order by 1, 2
on conflict (inventory_id, unit) do update set factor = excluded.factor where u.factor <> excluded.factor
