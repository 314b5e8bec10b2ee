-- Codes that a spreadsheet may have made into these numbers by taking their leading zeros, and the codes themselves
-- where they exist. Grain: asked word and code; a word nobody knows has no row.
with asked as (
  select word from unnest(%(asked)s::text[]) as asked (word)
)
select a.word, p.sku
from asked as a
join products as p on p.sku = a.word
union
select a.word, i.identifier
from asked as a
join product_identifiers as i on i.identifier = a.word
union
select a.word, p.sku
from asked as a
join products as p on ltrim(p.sku, '0') = a.word
where p.sku like '0%%'
union
select a.word, i.identifier
from asked as a
join product_identifiers as i on ltrim(i.identifier, '0') = a.word
where i.identifier like '0%%'
