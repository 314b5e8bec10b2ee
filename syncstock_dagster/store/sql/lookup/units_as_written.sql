-- How many base units of an article one of a unit is, by any of the ways in which the unit may be written: the nearest way
-- that is known, where it means one factor. A pair is two only where the article says so: who sells shoes calls a pair a
-- piece. Grain: place in the question with an answer.
with asked as (
  select *
  from unnest(%(places)s::int[], %(ids)s::bigint[], %(spellings)s::text[], %(ranks)s::int[])
    as a (place, inventory_id, spelling, rank)),
found as (
  select a.place, a.rank, u.factor, min(a.rank) over (partition by a.place) as nearest
  from asked as a
  join article_units as u
    on u.inventory_id = a.inventory_id
    and case when a.rank = 0 then u.unit = a.spelling else lower(btrim(u.unit)) = a.spelling end
  where u.unit <> 'pair' or u.factor = 1
     or exists (select from product_units as o where o.inventory_id = u.inventory_id and o.unit = u.unit))
select place, min(factor) as factor
from found
where rank = nearest
group by place
having count(distinct factor) = 1
