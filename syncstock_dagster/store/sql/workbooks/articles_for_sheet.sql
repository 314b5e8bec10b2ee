-- The articles of a count sheet: those ever stocked or moved at a location, or those of a list, with what the books say;
-- all of them, or those of one ABC class. Grain: article.
with place as (
  select location_id from locations where code = %(location)s
), classes as (
  select c.inventory_id, c.abc
  from abc_classes(null, %(window_days)s, %(a_until)s, %(b_until)s) as c
  join place using (location_id)
  where %(abc)s::text is not null
)
select p.sku, p.name, g.name as category, coalesce(s.on_hand, 0) as on_hand
from products as p
left join categories as g using (category_id)
left join item_stock as s on s.inventory_id = p.inventory_id and s.location_id = (select location_id from place)
left join classes as c on c.inventory_id = p.inventory_id
where case
        when %(inventory_ids)s::bigint[] is not null then p.inventory_id = any(%(inventory_ids)s)
        when %(skus)s::text[] is not null then p.is_active and p.sku = any(%(skus)s)
        else p.is_active and coalesce(s.events, 0) > 0 end
  and (%(abc)s::text is null or coalesce(c.abc, 'C') = %(abc)s)
order by category nulls last, p.sku
