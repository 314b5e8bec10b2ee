-- What is known of the stock of the articles that SKUs may mean, whatever their case: the caller takes one that is
-- written alike, or the only one. Pairs without an event are not known. Grain: article and location.
select p.sku, null as style_code, l.code as location, s.on_hand as quantity, s.updated_at
from products as p
join item_stock as s using (inventory_id)
join locations as l using (location_id)
where lower(btrim(p.sku)) in (select lower(btrim(w.sku)) from unnest(%(skus)s::text[]) as w (sku))
  and s.events > 0
