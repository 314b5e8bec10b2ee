-- The articles of these names, compared without case and blanks around them. Grain: asked word and SKU.
select a.word, p.sku
from unnest(%(asked)s::text[]) as a (word)
join products as p on lower(btrim(p.name)) = lower(btrim(a.word))
order by a.word, p.sku
