-- The articles that were found, in their order, with the stock of this very instant. Grain: article. What the index
-- of vectors brought is held against the catalogue here: what is gone, or not asked for, falls out.
select p.inventory_id, p.sku, p.name, c.name as category, s.on_hand, s.locations, s.stock
from unnest(%(found)s::bigint[]) with ordinality as f (inventory_id, position)
join findable_products(%(category)s::text, %(location)s::text, %(in_stock)s) as p using (inventory_id)
left join categories as c using (category_id)
left join lateral (
  select sum(i.on_hand) filter (where %(location)s::text is null or l.code = %(location)s) as on_hand,
    array_agg(l.code order by l.code) as locations,
    array_agg(i.on_hand order by l.code) as stock
  from item_stock as i
  join locations as l using (location_id)
  where i.inventory_id = p.inventory_id and i.events > 0) as s on true
order by f.position
limit %(limit)s
