-- Articles whose words share the most trigrams with a question: by the index, and those that wait for it by themselves.
-- Grain: article, nearest first.
select near.inventory_id
from (
  (select w.inventory_id, w.words <-> %(question)s::text as distance
   from search_words as w
   join findable_products(%(category)s::text, %(location)s::text, %(in_stock)s) as p using (inventory_id)
   where w.inventory_id not in (select n.inventory_id from search_words_waiting as n)
     and (%(few)s::bigint[] is null or w.inventory_id = any(%(few)s::bigint[]))
   order by w.words <-> %(question)s::text
   limit %(width)s)
  union all
  (select p.inventory_id, article_words(p.sku, p.name) <-> %(question)s::text
   from findable_products(%(category)s::text, %(location)s::text, %(in_stock)s) as p
   where p.inventory_id in (select n.inventory_id from search_words_waiting as n)
     and (%(few)s::bigint[] is null or p.inventory_id = any(%(few)s::bigint[]))
   order by 2
   limit %(width)s)) as near
where near.distance < 0.9  -- the nearest of all may still be far
order by near.distance, near.inventory_id
limit %(width)s
