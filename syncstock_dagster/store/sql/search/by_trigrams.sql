-- Articles whose words share the most trigrams with a question. Grain: article, nearest first.
select near.inventory_id
from (
  select p.inventory_id, article_words(p.sku, p.name) <-> %(question)s::text as distance
  from findable_products(%(category)s::text, %(location)s::text, %(in_stock)s) as p
  where %(few)s::bigint[] is null or p.inventory_id = any(%(few)s::bigint[])
  order by article_words(p.sku, p.name) <-> %(question)s::text
  limit %(width)s) as near
where near.distance < 0.9  -- the nearest of all may still be far
order by near.distance, near.inventory_id
