-- What an order leaves behind beside its movements, what is promised, and what people were told.

-- When somebody last looked for newer evidence everywhere: in the drop folder and among what was received.
alter table meta add column looked_at timestamptz;

-- Grain: line of an order. A deduction that the staff's own sheets do not show yet; closed by a count that agrees.
create table pending_excel_updates (
  movement_id bigint primary key,
  inventory_id bigint not null,
  location_id int not null,
  order_ref text collate "C" not null,
  deducted numeric not null,
  effective_at timestamptz not null,    -- where the deduction stands; a count at or after it contains it
  placed_at timestamptz not null,
  closed_by bigint,                     -- the count of a sheet that agrees; null: the sheets do not show it yet
  operation_id bigint not null
);

create index pending_excel_updates_open on pending_excel_updates (inventory_id, location_id, effective_at)
  where closed_by is null;
create index pending_excel_updates_closed on pending_excel_updates (closed_by) where closed_by is not null;
create index pending_excel_updates_placed on pending_excel_updates using brin (placed_at);

-- Grain: line of a reservation. It counts while it is open and not expired; nobody has to clean up.
create table reservations (
  ref text collate "C" not null,
  line int not null,
  inventory_id bigint not null,
  location_id int not null,
  quantity numeric not null check (quantity > 0),
  unit_price numeric,
  state text not null default 'open' check (state in ('open', 'committed', 'released')),
  reserved_at timestamptz not null,
  expires_at timestamptz not null,
  operation_id bigint not null references sync_operations,
  closed_by bigint references sync_operations,  -- the operation that committed or released it
  primary key (ref, line)
);

create index reservations_open on reservations (inventory_id, location_id, expires_at) include (ref, quantity)
  where state = 'open';

-- Grain: something that was told, and to which address, so that nobody is told the same twice. Written once an address
-- has taken it: what it did not take is told again with the next message.
create table alerts (
  fact text collate "C" not null,
  address text collate "C" not null,    -- a digest: the address itself may hold a secret
  tier text not null,
  told text not null,
  told_at timestamptz not null default clock_timestamp(),
  primary key (fact, address)
);
