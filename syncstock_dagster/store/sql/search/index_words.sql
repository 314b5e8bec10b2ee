-- Words that wait come into the indexes. Whoever changes an article meanwhile has the last word: few words he indexes
-- himself, with a later version, and many wait again. Grain: article.
with gone as (
  delete from search_words_waiting
  returning inventory_id)
insert into search_words as w (inventory_id, version, words)
select p.inventory_id, p.version, article_words(p.sku, p.name)
from products as p
where p.inventory_id in (select g.inventory_id from gone as g)
order by p.inventory_id
on conflict (inventory_id) do update
  set version = excluded.version, words = excluded.words
  where w.version <= excluded.version
