-- Articles that have every word of a question, or a word that begins with it; the shortest first, for in it the words
-- are the most of what it says. Grain: article.
with asked as (
  select string_agg('''' || replace(replace(lexeme, '\', '\\'), '''', '''''') || ''':*', ' & ')::tsquery as words
  from unnest(to_tsvector('simple', %(question)s::text)))
select p.inventory_id
from findable_products(%(category)s::text, %(location)s::text, %(in_stock)s) as p
where to_tsvector('simple', article_words(p.sku, p.name)) @@ (select words from asked)
  and (%(few)s::bigint[] is null or p.inventory_id = any(%(few)s::bigint[]))
order by length(article_words(p.sku, p.name)), p.sku
limit %(width)s
