-- The tables of one run: private to its session, emptied with its transaction, committed or not; a session
-- makes them once.

create temp table raw_movements (
  delivery_id bigint,                       -- null: the delivery of this run; else replayed from quarantine
  position int, source text collate "C", document text collate "C", line text collate "C", leg smallint,
  sku text collate "C", inventory_id bigint, location text collate "C", quantity numeric,
  effective_at timestamptz, effective_local timestamp, day date, reason text, unit_price numeric,
  ordinal bigint                            -- of a replayed row without a line number, as it was given at first
) on commit delete rows;

create temp table raw_counts (
  delivery_id bigint,
  position int, source text collate "C", session text collate "C", room text collate "C", counter text,
  remark text, sku text collate "C", inventory_id bigint, location text collate "C", quantity numeric,
  counted_at timestamptz, counted_local timestamp, day date,
  counted_from timestamptz, counted_from_local timestamp
) on commit delete rows;

create temp table run_sources (
  name text collate "C", of_counts boolean,   -- one name may deliver both, under two policies
  source_id smallint, trust text, on_change text, unknown_sku text,
  day_grain text, count_time time, sheet text,
  primary key (name, of_counts)
) on commit delete rows;

create temp table run_locations (
  code text collate "C" primary key, location_id int not null, timezone text not null,
  accepted_before timestamptz not null,     -- the end of tomorrow
  published_through date                    -- the last published day
) on commit delete rows;

create temp table run_skus (
  sku text collate "C", folds boolean, inventory_id bigint, primary key (sku, folds)
) on commit delete rows;

create temp table run_days (
  day date, timezone text, first_instant timestamptz, last_instant timestamptz,
  utc_offset interval,                      -- null: the clock was changed on this day
  primary key (day, timezone)
) on commit delete rows;

-- Documents that may take the express lane, if nothing of them is known.
create temp table run_documents (
  place int, source_id smallint, document text collate "C"
) on commit delete rows;

-- Rows of the evidence tables before they are there.
create temp table run_movements (like movements) on commit delete rows;
create temp table run_counts (like stock_counts) on commit delete rows;

create temp table run_contested (
  source_id smallint, document_key text collate "C", line_key text collate "C",
  primary key (source_id, document_key, line_key)
) on commit delete rows;

-- All rows of the contested identities.
create temp table run_contenders (movement_id bigint primary key) on commit delete rows;

-- Contested rows that were in force when the run came to them.
create temp table run_before (like movements) on commit delete rows;

create temp table run_pairs (
  inventory_id bigint, location_id int, on_hand numeric, stamp timestamptz,
  begun date,                               -- the first day of the stored closing balances; null: none is stored
  primary key (inventory_id, location_id)
) on commit delete rows;

create temp table run_count_keys (
  inventory_id bigint, location_id int, counted_at timestamptz,
  primary key (inventory_id, location_id, counted_at)
) on commit delete rows;

-- Balances of the ledger before a step of the run, at the instants that the step asks for.
create temp table run_books (
  inventory_id bigint, location_id int, counted_at timestamptz, book numeric,
  primary key (inventory_id, location_id, counted_at)
) on commit delete rows;

-- Instants whose count in force comes, goes or changes its quantity.
create temp table run_count_changes (
  inventory_id bigint, location_id int, counted_at timestamptz,
  old_quantity numeric, old_variance numeric, new_quantity numeric, count_id bigint,
  gap numeric,                              -- by how much the balance at this instant must change
  primary key (inventory_id, location_id, counted_at)
) on commit delete rows;

-- Lines of lists that wait to be told from counts, with what the version before said.
create temp table run_list_lines (
  inventory_id bigint, location_id int, counted_at timestamptz, quantity numeric, count_ids bigint[],
  previous_at timestamptz, previous_quantity numeric
) on commit delete rows;

-- The limits of each source's gate, and of categories and articles that have their own; the most particular row holds.
create temp table run_gates (
  source_id smallint, category_id int, inventory_id bigint, limits gate_limits
) on commit delete rows;

-- Gated counts that wait for a verdict, one per article, location, instant, source and session.
create temp table run_candidates (
  inventory_id bigint, location_id int, counted_at timestamptz, source_id smallint,
  session text collate "C", quantity numeric, count_ids bigint[],
  word int, point_word int,                 -- who spoke first at the instant: this, or what is applied there
  rank int,
  segment_before timestamptz, segment_after timestamptz, point_variance numeric,
  limits gate_limits, unit_value numeric, vetoed text
) on commit delete rows;

create temp table run_verdicts (
  inventory_id bigint, location_id int, counted_at timestamptz, source_id smallint,
  session text collate "C", count_ids bigint[], counted numeric, expected numeric, tier text, vetoed text
) on commit delete rows;

-- Counts that a person decides on, as they stand under the lock.
create temp table run_asked (
  count_id bigint, source_id smallint, delivery_id bigint, counted numeric, expected numeric, stamp timestamptz,
  tier text
) on commit delete rows;

-- The ledger entries of this run: what movements change, and the adjustments that neutralise it at counts; step 2
-- holds what the gate released.
create temp table run_entries (
  step smallint, inventory_id bigint, location_id int, effective_at timestamptz, entry_type entry_type,
  delta numeric, events smallint, source_id smallint, movement_id bigint, reason text
) on commit delete rows;

create temp table run_day_deltas (
  inventory_id bigint, location_id int, day date, delta numeric
) on commit delete rows;
