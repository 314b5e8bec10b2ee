-- What came, for whom days and files are the way to look at it.

-- Grain: delivery and business day. Exactly the days on which the rows of a file stand, in their locations' zones.
create table delivery_days (
  delivery_id bigint not null references deliveries,
  day date not null,
  row_count int not null,
  primary key (delivery_id, day)
);

create index delivery_days_day on delivery_days (day);

-- Grain: file of the drop folder, by its name, as it was when it was last read. It saves reading an unchanged file
-- again and never decides what is taken in: deliveries are recognised by their content.
create table drop_files (
  name text collate "C" primary key,
  size bigint not null,
  modified_at timestamptz,
  delivery_id bigint references deliveries,  -- what it became; null: it could not be taken in
  error jsonb,                               -- why not
  read_at timestamptz not null default clock_timestamp()
);

-- Grain: something that a sensor asked runs for: a file by name and content, a delivery that waits. Counts how often,
-- so that what fails every time is not tried for ever.
create table run_requests (
  fact text collate "C" primary key,
  attempts int not null default 1,
  asked_at timestamptz not null default clock_timestamp()
);
