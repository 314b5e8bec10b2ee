-- The catalogue keeps every state: units, locks, versions, staging and what each system said last.

-- Measures that convert exactly. factor: how many of the dimension's smallest unit one of it is.
create table units (
  unit text collate "C" primary key,
  dimension text not null,
  factor numeric not null check (factor > 0)
);

insert into units (unit, dimension, factor) values
  ('each', 'count', 1), ('pair', 'count', 2), ('dozen', 'count', 12), ('gross', 'count', 144),
  ('mg', 'mass', 1), ('g', 'mass', 1000), ('kg', 'mass', 1000000), ('t', 'mass', 1000000000),
  ('oz', 'mass', 28349.523125), ('lb', 'mass', 453592.37),
  ('ml', 'volume', 1), ('cl', 'volume', 10), ('l', 'volume', 1000),
  ('mm', 'length', 1), ('cm', 'length', 10), ('m', 'length', 1000), ('in', 'length', 25.4), ('ft', 'length', 304.8);

alter table products
  add column unit text collate "C" not null default 'each',  -- in which its stock is kept
  add column style text collate "C",               -- what its variants have in common: the style code of RMS
  add column operation_id bigint default current_operation(),  -- the last one that changed it
  add column last_sync_version bigint,             -- the version that another system last agreed with
  add column sync_locked boolean not null default false,
  add column sync_locked_by text,
  add column sync_locked_until timestamptz,        -- a lock ends by itself
  add column stock_synced_at timestamptz,          -- when its stock was last pulled from or pushed to a system
  add check (sync_locked = (sync_locked_by is not null) and sync_locked = (sync_locked_until is not null));

create index products_style on products (style) where style is not null;
create index product_identifiers_article on product_identifiers (inventory_id);
-- UPC and EAN are one number, written with more or fewer zeros in front.
create unique index product_identifiers_gtin on product_identifiers (lpad(identifier, 14, '0'))
  where system = 'gtin';

-- GTIN-8, -12, -13 and -14: digits, of which the last one follows from the others.
create function gtin_is_valid(code text) returns boolean
  language sql immutable parallel safe
  return case when code ~ '^(\d{8}|\d{12}|\d{13}|\d{14})$' then (
    select sum(substr(lpad(code, 14, '0'), n, 1)::int * case when n % 2 = 1 then 3 else 1 end) % 10 = 0
    from generate_series(1, 14) as n) else false end;

alter table product_identifiers add check (system <> 'gtin' or gtin_is_valid(identifier));

-- Grain: article and a unit of its own, a pack for instance: factor is how many base units one of it holds.
create table product_units (
  inventory_id bigint not null,
  unit text collate "C" not null,
  factor numeric not null check (factor > 0),
  primary key (inventory_id, unit)
);

-- Every unit in which an article can be given exactly, and how many of its base unit that is. An article's own
-- unit wins over a measure of the same name. Grain: article and unit.
create view article_units as
select p.inventory_id, p.unit, 1::numeric as factor
from products as p
union all
select u.inventory_id, u.unit, u.factor
from product_units as u
join products as p using (inventory_id)
where u.unit <> p.unit
union all
select p.inventory_id, o.unit, trim_scale(o.factor / b.factor)
from products as p
join units as b on b.unit = p.unit
join units as o on o.dimension = b.dimension and o.unit <> b.unit
where o.factor / b.factor * b.factor = o.factor
  and not exists (
    select from product_units as u where u.inventory_id = p.inventory_id and u.unit = o.unit);

alter table categories
  add column parent_id int references categories,
  add column is_active boolean not null default true,
  add column version bigint not null default 1,
  add column operation_id bigint default current_operation(),
  add column updated_at timestamptz not null default clock_timestamp(),
  add check (parent_id <> category_id);

create index products_category on products (category_id) where category_id is not null;

-- The whole state of an article as one document; what is not said is not in it. Grain: article.
create view product_states as
select p.inventory_id, p.version,
       jsonb_strip_nulls(jsonb_build_object(
         'sku', p.sku, 'name', p.name, 'category', c.name, 'price', p.price, 'cost', p.cost, 'unit', p.unit,
         'style', p.style, 'is_active', p.is_active, 'is_placeholder', nullif(p.is_placeholder, false)))
       || coalesce(i.codes, '{}') || coalesce(u.factors, '{}') as state
from products as p
left join categories as c using (category_id)
left join lateral (
  select jsonb_object_agg('identifiers.' || s.system, s.codes) as codes
  from (
    select x.system, jsonb_agg(x.identifier order by x.identifier) as codes
    from product_identifiers as x
    where x.inventory_id = p.inventory_id
    group by x.system) as s) as i on true
left join lateral (
  select jsonb_object_agg('units.' || x.unit, trim_scale(x.factor)) as factors
  from product_units as x
  where x.inventory_id = p.inventory_id) as u on true;

create view category_states as
select c.category_id, c.version,
       jsonb_strip_nulls(jsonb_build_object('name', c.name, 'parent', p.name, 'is_active', c.is_active)) as state
from categories as c
left join categories as p on p.category_id = c.parent_id;

-- Grain: article and version. One version an operation that changed the article.
create table product_versions (
  inventory_id bigint not null,
  version_number bigint not null,
  product_data jsonb not null,          -- the whole state
  changed_fields text[] not null,
  change_type text not null check (change_type in ('create', 'update', 'delete')),
  change_source text not null,          -- a source, a kind of operation, or psql
  changed_by text not null,
  operation_id bigint,
  recorded_at timestamptz not null default clock_timestamp(),
  primary key (inventory_id, version_number)
);

-- Versions of an operation lie together; an entry for each of them took as long as its key.
create index product_versions_operation on product_versions using brin (operation_id) with (autosummarize = on);

create table category_versions (
  category_id int not null,
  version_number bigint not null,
  category_data jsonb not null,
  changed_fields text[] not null,
  change_type text not null check (change_type in ('create', 'update', 'delete')),
  change_source text not null,
  changed_by text not null,
  operation_id bigint,
  recorded_at timestamptz not null default clock_timestamp(),
  primary key (category_id, version_number)
);

-- The names under which two documents differ, of those that a patch has, or of all. A set, for the planner puts a
-- set's query in its place, but calls a function of one value for each row.
create function changed_fields(before jsonb, after jsonb, patch jsonb default null) returns setof text
  language sql immutable parallel safe
begin atomic
  select k.field
  from jsonb_object_keys(coalesce(patch, coalesce(before, '{}') || coalesce(after, '{}'))) as k (field)
  where before -> k.field is distinct from after -> k.field
  order by k.field;
end;

-- The present state of these articles becomes their version, and an event. An article that one operation changes
-- in several statements keeps one version of it. A commit of many changes writes most of them itself (staging), by what
-- it has changed; audit L02 holds all of them against the rows. Planned anew each time (execute): a plan for three
-- articles is wrong for a hundred thousand.
create function record_product_versions(ids bigint[]) returns void
  language plpgsql set search_path = syncstock as $$
begin
  execute $statement$
    with author as (
      select coalesce(max(o.created_by), session_user) as changed_by,
             coalesce(nullif(current_setting('syncstock.change_source', true), ''), max(o.operation_type), 'psql')
               as change_source
      from sync_operations as o
      where o.operation_id = current_operation()),
    -- Materialized: a state is put together once, not wherever it is named.
    states as materialized (
      select p.inventory_id, p.version, b.product_data as before, p.state
      from product_states as p
      left join product_versions as b on b.inventory_id = p.inventory_id and b.version_number = p.version - 1
      where p.inventory_id = any($1)),
    written as (
      insert into product_versions as v
        (inventory_id, version_number, product_data, changed_fields, change_type, change_source, changed_by,
         operation_id)
      select s.inventory_id, s.version, s.state,
             array(select f.field from changed_fields(s.before, s.state) as f (field)),
             case when s.before is null then 'create'
                  when s.before -> 'is_active' = 'true' and s.state -> 'is_active' = 'false' then 'delete'
                  else 'update' end,
             a.change_source, a.changed_by, current_operation()
      from states as s
      cross join author as a
      order by s.inventory_id
      on conflict (inventory_id, version_number) do update
        set product_data = excluded.product_data, changed_fields = excluded.changed_fields,
            change_type = excluded.change_type, change_source = excluded.change_source,
            recorded_at = clock_timestamp()
      returning v.inventory_id, v.version_number, v.change_type, v.product_data ->> 'sku' as sku)
    insert into sync_events (event_type, entity_type, entity_id, payload, operation_id)
    select 'entity.' || w.change_type || 'd', 'product', w.inventory_id::text,
           jsonb_build_object('sku', w.sku, 'version', w.version_number), current_operation()
    from written as w
    order by w.inventory_id
  $statement$ using ids;
end $$;

create function record_category_versions(ids int[]) returns void
  language sql
begin atomic
  insert into category_versions as v
    (category_id, version_number, category_data, changed_fields, change_type, change_source, changed_by,
     operation_id)
  select s.category_id, s.version, s.state,
         array(select f.field from changed_fields(b.category_data, s.state) as f (field)),
         case when b.category_id is null then 'create'
              when b.category_data -> 'is_active' = 'true' and s.state -> 'is_active' = 'false' then 'delete'
              else 'update' end,
         a.change_source, a.changed_by, current_operation()
  from category_states as s
  cross join (
    select coalesce(max(o.created_by), session_user) as changed_by,
           coalesce(nullif(current_setting('syncstock.change_source', true), ''), max(o.operation_type), 'psql')
             as change_source
    from sync_operations as o
    where o.operation_id = current_operation()) as a
  left join category_versions as b on b.category_id = s.category_id and b.version_number = s.version - 1
  where s.category_id = any(ids)
  order by s.category_id
  on conflict (category_id, version_number) do update
    set category_data = excluded.category_data, changed_fields = excluded.changed_fields,
        change_type = excluded.change_type, recorded_at = clock_timestamp();
end;

-- The version rises with the content, once an operation; whoever sets updated_at says that content changed that
-- lies beside the row.
create function version_rises() returns trigger
  language plpgsql set search_path = syncstock as $$
begin
  new.version := old.version
    + case when current_operation() is null or old.operation_id is distinct from current_operation()
           then 1 else 0 end;
  new.operation_id := current_operation();
  new.updated_at := clock_timestamp();
  return new;
end $$;

create trigger product_version_rises before update on products for each row
  when ((old.sku, old.name, old.category_id, old.price, old.cost, old.unit, old.style, old.is_active,
         old.is_placeholder, old.updated_at)
        is distinct from
        (new.sku, new.name, new.category_id, new.price, new.cost, new.unit, new.style, new.is_active,
         new.is_placeholder, new.updated_at))
  execute function version_rises();

create trigger category_version_rises before update on categories for each row
  when ((old.name, old.parent_id, old.is_active, old.updated_at)
        is distinct from (new.name, new.parent_id, new.is_active, new.updated_at))
  execute function version_rises();

-- A commit of many changes writes their versions itself, once, when all of their parts are there.
create function versions_come_later() returns boolean
  language sql stable
  return coalesce(current_setting('syncstock.versions', true), '') = 'later';

create function products_came() returns trigger
  language plpgsql set search_path = syncstock as $$
begin
  if not versions_come_later() and exists (select from new_rows) then
    perform record_product_versions(array(select n.inventory_id from new_rows as n));
  end if;
  return null;
end $$;

create function products_changed() returns trigger
  language plpgsql set search_path = syncstock as $$
declare
  ids bigint[];
begin
  if versions_come_later() then
    return null;
  end if;
  -- Planned anew each time: a plan for three rows joins a hundred thousand one by one.
  execute 'select array_agg(n.inventory_id) from new_rows as n join old_rows as o using (inventory_id) '
          'where n.updated_at is distinct from o.updated_at' into ids;
  if ids is not null then
    perform record_product_versions(ids);
  end if;
  return null;
end $$;

create trigger products_came after insert on products
  referencing new table as new_rows
  for each statement execute function products_came();
create trigger products_changed after update on products
  referencing old table as old_rows new table as new_rows
  for each statement execute function products_changed();

create function categories_came() returns trigger
  language plpgsql set search_path = syncstock as $$
begin
  perform record_category_versions(array(select n.category_id from new_rows as n));
  return null;
end $$;

-- What a category is called is part of its articles' state, and of its children's.
create function categories_changed() returns trigger
  language plpgsql set search_path = syncstock as $$
begin
  perform record_category_versions(array(
    select n.category_id from new_rows as n join old_rows as o using (category_id)
    where n.updated_at is distinct from o.updated_at));
  if exists (select from new_rows as n join old_rows as o using (category_id) where n.name <> o.name) then
    update products as p
    set updated_at = clock_timestamp()
    from new_rows as n
    join old_rows as o using (category_id)
    where p.category_id = n.category_id and n.name <> o.name;
    update categories as c
    set updated_at = clock_timestamp()
    from new_rows as n
    join old_rows as o using (category_id)
    where c.parent_id = n.category_id and n.name <> o.name;
  end if;
  return null;
end $$;

create trigger categories_came after insert on categories
  referencing new table as new_rows
  for each statement execute function categories_came();
create trigger categories_changed after update on categories
  referencing old table as old_rows new table as new_rows
  for each statement execute function categories_changed();

-- Codes and units are part of an article's state.
create function product_parts_came() returns trigger
  language plpgsql set search_path = syncstock as $$
begin
  if versions_come_later() then
    return null;
  end if;
  execute 'update products as p set updated_at = clock_timestamp() '
          'where p.inventory_id in (select n.inventory_id from new_rows as n)';
  return null;
end $$;

create function product_parts_went() returns trigger
  language plpgsql set search_path = syncstock as $$
begin
  if versions_come_later() then
    return null;
  end if;
  execute 'update products as p set updated_at = clock_timestamp() '
          'where p.inventory_id in (select o.inventory_id from old_rows as o)';
  return null;
end $$;

create function product_parts_changed() returns trigger
  language plpgsql set search_path = syncstock as $$
begin
  if versions_come_later() then
    return null;
  end if;
  execute 'update products as p set updated_at = clock_timestamp() '
          'where p.inventory_id in (select o.inventory_id from old_rows as o union select n.inventory_id from new_rows as n)';
  return null;
end $$;

create trigger identifiers_came after insert on product_identifiers
  referencing new table as new_rows
  for each statement execute function product_parts_came();
create trigger identifiers_went after delete on product_identifiers
  referencing old table as old_rows
  for each statement execute function product_parts_went();
create trigger identifiers_changed after update on product_identifiers
  referencing old table as old_rows new table as new_rows
  for each statement execute function product_parts_changed();
create trigger units_came after insert on product_units
  referencing new table as new_rows
  for each statement execute function product_parts_came();
create trigger units_went after delete on product_units
  referencing old table as old_rows
  for each statement execute function product_parts_went();
create trigger units_changed after update on product_units
  referencing old table as old_rows new table as new_rows
  for each statement execute function product_parts_changed();

-- What was there before versions were kept begins with its present state.
insert into product_versions
  (inventory_id, version_number, product_data, changed_fields, change_type, change_source, changed_by)
select s.inventory_id, s.version, s.state, array(select f.field from changed_fields(null, s.state) as f (field)), 'create',
       'psql', session_user
from product_states as s;

insert into category_versions
  (category_id, version_number, category_data, changed_fields, change_type, change_source, changed_by)
select s.category_id, s.version, s.state, array(select f.field from changed_fields(null, s.state) as f (field)), 'create',
       'psql', session_user
from category_states as s;

-- Grain: article and system. What the other side said last, and what we had when we last agreed with it or chose
-- otherwise: a field that has moved on both sides since then is a conflict.
create table product_syncs (
  inventory_id bigint not null,
  system text collate "C" not null,
  remote jsonb not null,                -- field to their value
  agreed jsonb not null,                -- field to ours
  synced_at timestamptz not null default clock_timestamp(),
  primary key (inventory_id, system)
) with (fillfactor = 70);

-- One row: what a source wants to change of an article. Readers of products never wait for it.
create table products_staging (
  staging_id bigint generated by default as identity primary key,
  source_product_id bigint,             -- null: it would be created
  sku text collate "C" not null,
  change_type text not null check (change_type in ('create', 'update', 'delete')),
  change_data jsonb not null,           -- field to {"old", "new"}
  remote jsonb not null default '{}',   -- all that the source said, also where it agrees
  said_before jsonb,                    -- what it had said, and what was agreed on, before this was committed
  source text collate "C" not null,
  base_version bigint,                  -- of the article when it was staged
  has_conflicts boolean not null default false,
  status text not null default 'staged'
    check (status in ('staged', 'approved', 'committed', 'rejected', 'superseded', 'rolled_back')),
  problem text,                         -- why the last commit left it
  sync_operation_id bigint not null,
  commit_operation_id bigint,
  staged_by text not null,
  staged_at timestamptz not null default clock_timestamp(),
  decided_by text,
  decided_at timestamptz,
  decision_reason text,
  -- An approval changes neither of them: indexes by the status itself would all be written anew for each.
  is_open boolean not null generated always as (status in ('staged', 'approved')) stored,
  is_rejected boolean not null generated always as (status = 'rejected') stored
) with (fillfactor = 50);               -- an approval finds room beside what it approves

create index products_staging_open on products_staging (source, sku) where is_open;
create index products_staging_rejected on products_staging (source, sku) where is_rejected;
create index products_staging_operation on products_staging using brin (sync_operation_id, commit_operation_id)
  with (autosummarize = on);            -- rows of an operation lie together

alter table sync_conflicts
  add column resolved_operation_id bigint references sync_operations,
  add column field_name text,
  add column chosen_side text check (chosen_side in ('local', 'remote')),
  add column staging_id bigint references products_staging;

create index sync_conflicts_staging on sync_conflicts (staging_id) where staging_id is not null;
create index sync_conflicts_operation on sync_conflicts (sync_operation_id);
create index sync_conflicts_resolved on sync_conflicts (resolved_operation_id) where resolved_operation_id is not null;
