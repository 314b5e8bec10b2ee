-- Articles that have every word of a question, or a word that begins with it: by the index, and those that wait for it
-- by themselves. The shortest first, for in it the words are the most of what it says. Grain: article.
with asked as (
  select string_agg('''' || replace(replace(lexeme, '\', '\\'), '''', '''''') || ''':*', ' & ')::tsquery as words
  from unnest(to_tsvector('simple', %(question)s::text))),
found as (
  select w.inventory_id
  from search_words as w
  where to_tsvector('simple', w.words) @@ (select words from asked)
    and w.inventory_id not in (select n.inventory_id from search_words_waiting as n)
  union all
  select p.inventory_id
  from products as p
  where p.inventory_id in (select n.inventory_id from search_words_waiting as n)
    and to_tsvector('simple', article_words(p.sku, p.name)) @@ (select words from asked))
select p.inventory_id
from found as f
join findable_products(%(category)s::text, %(location)s::text, %(in_stock)s) as p using (inventory_id)
where %(few)s::bigint[] is null or p.inventory_id = any(%(few)s::bigint[])
order by length(article_words(p.sku, p.name)), p.sku
limit %(width)s
