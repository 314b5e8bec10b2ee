-- Articles by their words, in PostgreSQL alone.

-- What of an article its words are.
create function article_words(sku text, name text) returns text
  language sql immutable parallel safe
  return sku || ' ' || coalesce(name, '');

-- Grain: article. Its words as the indexes below know them; beside the article, whose row is written anew for every
-- change and whose own indexes would be, too. Of an article that waits they are those of an earlier version.
create table search_words (
  inventory_id bigint primary key,
  version bigint not null,              -- of the article; an earlier one never replaces a later one
  words text not null
);

create index search_words_words on search_words using gin (to_tsvector('simple', words));

-- Articles whose words are not indexed yet, some more than once: whoever searches reads those themselves. A commit of
-- a hundred thousand names does not wait until they are indexed, which takes longer than all else it does with them.
create table search_words_waiting (
  inventory_id bigint not null
);

-- Words of new articles: of a few they are indexed at once. Planned anew each time (execute), for the same reason.
create function words_came() returns trigger
  language plpgsql set search_path = syncstock as $$
begin
  if (select count(*) from (select from new_rows limit 1001) as n) > 1000 then
    insert into search_words_waiting select n.inventory_id from new_rows as n;
  else
    insert into search_words as w (inventory_id, version, words)
    select n.inventory_id, n.version, article_words(n.sku, n.name)
    from new_rows as n
    order by n.inventory_id
    on conflict (inventory_id) do update set version = excluded.version, words = excluded.words;
  end if;
  return null;
end $$;

create function words_changed() returns trigger
  language plpgsql set search_path = syncstock as $$
declare
  changed bigint[];
begin
  execute 'select array_agg(n.inventory_id order by n.inventory_id) from new_rows as n join old_rows as o '
          'using (inventory_id) where (n.sku, n.name) is distinct from (o.sku, o.name)' into changed;
  if cardinality(changed) > 1000 then
    insert into search_words_waiting select c.id from unnest(changed) as c (id);
  elsif changed is not null then
    insert into search_words as w (inventory_id, version, words)
    select n.inventory_id, n.version, article_words(n.sku, n.name)
    from new_rows as n
    where n.inventory_id = any(changed)
    order by n.inventory_id
    on conflict (inventory_id) do update set version = excluded.version, words = excluded.words;
  end if;
  return null;
end $$;

create trigger words_came after insert on products
  referencing new table as new_rows
  for each statement execute function words_came();
create trigger words_changed after update on products
  referencing old table as old_rows new table as new_rows
  for each statement execute function words_changed();

insert into search_words (inventory_id, version, words)
select p.inventory_id, p.version, article_words(p.sku, p.name)
from products as p;

-- Whether articles can be found by trigrams, that is despite typing errors; makes what it needs where it can.
-- Call it again after the extension was installed.
create function prepare_trigrams() returns boolean
  language plpgsql as $$
declare
  home text;
  signature text;
begin
  if not exists (select from pg_extension where extname = 'pg_trgm') then
    if not exists (select from pg_available_extensions where name = 'pg_trgm') then
      return false;
    end if;
    begin
      create extension if not exists pg_trgm schema syncstock;
    exception when insufficient_privilege then
      return false;
    end;
  end if;
  select n.nspname, case when string_to_array(e.extversion, '.')::int[] >= '{1,5}' then ' (siglen = 64)' else '' end
  into home, signature
  from pg_extension as e
  join pg_namespace as n on n.oid = e.extnamespace
  where e.extname = 'pg_trgm';
  if home not in ('syncstock', 'public') then  -- its operators would not be found
    return false;
  end if;
  if to_regclass('syncstock.search_words_trigrams') is null then
    -- The usual signatures of 12 bytes are all ones a level or two up, and say nothing there: of 50,000 articles with
    -- names like a shop's the nearest are found faster with longer ones. Still longer ones cost more when names change.
    execute format(
      'create index search_words_trigrams on syncstock.search_words '
      'using gist (words %I.gist_trgm_ops%s)', home, signature);
  end if;
  return true;
end $$;

select prepare_trigrams();

-- The articles that a question may be answered with. Inlined, so that the planner sees the tables.
create function findable_products(only_category text, only_location text, only_in_stock boolean)
  returns setof products
  language sql stable parallel safe as $$
  select p.*
  from syncstock.products as p
  where p.is_active
    and (only_category is null
         or p.category_id = any (array(
           with recursive inside as (  -- the category and those below it
             select c.category_id from syncstock.categories as c where c.name = only_category
             union
             select c.category_id from syncstock.categories as c join inside as i on c.parent_id = i.category_id)
           select category_id from inside)))
    and (only_location is null and not only_in_stock
         or exists (
           select from syncstock.item_stock as s
           join syncstock.locations as l using (location_id)
           where s.inventory_id = p.inventory_id and s.events > 0
             and (only_location is null or l.code = only_location)
             and (not only_in_stock or s.on_hand > 0)))
$$;
