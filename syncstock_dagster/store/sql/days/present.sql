-- Present stock and the catalogue in numbers. Grain: one row.
select count(*)::int as articles, coalesce(sum(s.on_hand), 0) as on_hand,
       count(*) filter (where s.on_hand < 0)::int as negative, count(distinct s.location_id)::int as locations,
       (select count(*) from products)::int as products,
       (select count(*) from products where is_placeholder)::int as placeholders
from item_stock as s
where s.events > 0
