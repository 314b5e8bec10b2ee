-- Articles by their words, in PostgreSQL alone.

-- What of an article its words are: the indexes below and the questions to them cannot disagree.
create function article_words(sku text, name text) returns text
  language sql immutable parallel safe
  return sku || ' ' || coalesce(name, '');

create index products_words on products using gin (to_tsvector('simple', article_words(sku, name)));

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
  if to_regclass('syncstock.products_trigrams') is null then
    -- The usual signatures of 12 bytes are all ones a level or two up, and say nothing there: of 50,000 articles with
    -- names like a shop's the nearest are found faster with longer ones. Still longer ones cost more when names change.
    execute format(
      'create index products_trigrams on syncstock.products '
      'using gist (syncstock.article_words(sku, name) %I.gist_trgm_ops%s)', home, signature);
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
