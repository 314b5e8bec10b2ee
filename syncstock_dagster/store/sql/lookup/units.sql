-- How many base units of an article one of a unit is. Grain: article and unit.
select w.inventory_id, w.unit, u.factor
from unnest(%(ids)s::bigint[], %(units)s::text[]) as w (inventory_id, unit)
join article_units as u on u.inventory_id = w.inventory_id and u.unit = w.unit
