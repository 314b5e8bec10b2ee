-- The ABC classes of a location, or (null) of all together. Grain: article; first the one whose value moved most.
select p.sku, c.inventory_id, p.name, g.name as category, l.code as location, c.quantity, c.value,
       round(c.share, 6) as share, c.abc
from abc_classes(%(as_of)s, %(window_days)s, %(a_until)s, %(b_until)s) as c
left join products as p using (inventory_id)
left join categories as g using (category_id)
left join locations as l using (location_id)
where l.code is not distinct from %(location)s::text
order by c.value desc, c.inventory_id
