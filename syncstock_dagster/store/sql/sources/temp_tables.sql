-- The tables of one run of a pull: private to its session, emptied with each transaction.
create temp table if not exists raw_pulled_items (
  position int, code text collate "C", sku text collate "C", fields jsonb, modified_at timestamptz
) on commit delete rows;

create temp table if not exists raw_pulled_levels (
  position int, code text collate "C", location text collate "C", sku text collate "C", quantity numeric,
  counted_at timestamptz, details jsonb
) on commit delete rows;

-- What differs from what the source said last.
create temp table if not exists run_pulled_items (
  position int primary key, code text collate "C", sku text collate "C", fields jsonb, modified_at timestamptz
) on commit delete rows;

create temp table if not exists run_pulled_levels (
  position int primary key, code text collate "C", location text collate "C", sku text collate "C",
  inventory_id bigint, quantity numeric, counted_at timestamptz
) on commit delete rows;
