-- The tables of one staging or commit: private to its session, emptied with its transaction. As for a posting
-- (posting/begin), the planner remembers no row in case it is asked for again, and samples the tables lightly.

set local enable_memoize = off;
set local default_statistics_target = 10;

create temp table if not exists raw_changes (
  position int, sku text collate "C", inventory_id bigint, change_type text, fields jsonb, modified_at timestamptz
) on commit delete rows;

-- What is wanted of which article, as it is now.
create temp table if not exists run_changes (
  position int primary key, inventory_id bigint, asked_id bigint, sku text collate "C", change_type text,
  is_said_new boolean, version bigint, remote jsonb, modified_at timestamptz,
  change_data jsonb,                    -- what differs: field to {"old", "new"}
  standing text[],                      -- of it, what the source said before: the local value stands
  contested text[],                     -- of the rest, what both sides have moved since they agreed
  is_news boolean                       -- it agrees in something that is not remembered as agreed
) on commit delete rows;

create temp table if not exists run_catalogue_conflicts (
  position int, conflict_type text, field text collate "C", inventory_id bigint, local_value jsonb,
  remote_value jsonb, severity text, fact text collate "C", strategy text, verdict text, decided_by text,
  primary key (position, conflict_type, field)
) on commit delete rows;

-- What waits after it; kept is what waited just so before.
create temp table if not exists run_stored (
  position int primary key, staging_id bigint, is_kept boolean
) on commit delete rows;

-- The staged rows that one commit takes.
create temp table if not exists run_commit (
  staging_id bigint primary key, inventory_id bigint, sku text collate "C", change_type text, change_data jsonb,
  remote jsonb, problem text,
  base_version bigint,                  -- of the article when the change was staged
  has_new_id boolean not null default false  -- nobody asked for this id
) on commit delete rows;

-- What of them lies beside the row of an article: codes and units. Grain: staged row and field.
create temp table if not exists run_parts (
  staging_id bigint, field text collate "C", new jsonb
) on commit delete rows;

-- What a rollback takes back of articles.
create temp table if not exists run_reversals (
  inventory_id bigint, field text collate "C", old jsonb, new jsonb, dependents text[],
  primary key (inventory_id, field)
) on commit delete rows;

-- Articles whose versions in a commit are more than what one change of it says: they lose a code to another one, or
-- several changes are about them.
create temp table if not exists run_restated (inventory_id bigint) on commit delete rows;

truncate raw_changes, run_changes, run_catalogue_conflicts, run_stored, run_commit,
  run_parts, run_reversals, run_restated
