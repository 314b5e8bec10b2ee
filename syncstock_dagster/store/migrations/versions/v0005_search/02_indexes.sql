-- Indexes of vectors are caches outside the database. What stands here is what they should hold, and which may be used.

-- Grain: active article. What an index of vectors should hold: an id that names the article and its content, so that
-- equal ids mean equal content, and the words that are turned into a vector.
create view search_documents as
select p.inventory_id, said.words,
  p.inventory_id || ':' || left(encode(sha256(convert_to(said.words, 'UTF8')), 'hex'), 16) as document_id
from products as p
left join categories as c using (category_id)
cross join lateral (select concat_ws(' ', coalesce(nullif(p.name, ''), p.sku), c.name) as words) as said
where p.is_active;

-- One row: an index that is being written, is in use, or waits to be removed.
create table search_indexes (
  index_name text primary key,
  place text not null,                -- where it lies: a folder on one machine by its id, or a Chroma server
  embedding text not null,            -- what made its vectors, with its version
  state text not null check (state in ('building', 'current', 'retired')),
  documents int not null default 0,
  churn int not null default 0,       -- documents written and removed since it was built from nothing
  fingerprint text,                   -- of the catalogue that it holds
  started_at timestamptz not null default clock_timestamp(),
  finished_at timestamptz,
  doubt text                          -- why it must not be trusted: the next update builds it anew
);

create unique index search_indexes_current on search_indexes (place) where state = 'current';
