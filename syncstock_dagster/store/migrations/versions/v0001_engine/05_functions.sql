-- Calendar of a location. A day's first instant: of the two offsets in use around midnight, the earliest
-- that falls on the day; so a skipped midnight gives 01:00 and a doubled one its first pass. A day that a
-- zone never had (Pacific/Apia, 2011-12-30) gives the instant of the jump.
create function day_start(day date, zone text) returns timestamptz
  language sql stable strict parallel safe as $$
  select coalesce(
    min(candidate) filter (where (candidate at time zone zone)::date = day),
    day::timestamp at time zone zone)
  from (
    select day::timestamp at time zone 'UTC'
           - ((probe at time zone zone) - (probe at time zone 'UTC')) as candidate
    from (values (day::timestamp at time zone 'UTC' - interval '36 hours'),
                 (day::timestamp at time zone 'UTC' + interval '36 hours'),
                 (day::timestamp at time zone zone)) as probes (probe)
  ) as candidates
$$;

-- A day's last microsecond: of the offsets around the next midnight, the latest that falls on the day.
create function day_end(day date, zone text) returns timestamptz
  language sql stable strict parallel safe as $$
  select coalesce(
    max(candidate) filter (where (candidate at time zone zone)::date = day),
    (day + 1)::timestamp at time zone zone - interval '1 microsecond')
  from (
    select (day + 1)::timestamp at time zone 'UTC' - interval '1 microsecond'
           - ((probe at time zone zone) - (probe at time zone 'UTC')) as candidate
    from (values ((day + 1)::timestamp at time zone 'UTC' - interval '36 hours'),
                 ((day + 1)::timestamp at time zone 'UTC' + interval '36 hours'),
                 ((day + 1)::timestamp at time zone zone)) as probes (probe)
  ) as candidates
$$;

-- The business day whose closing balance is the first to contain an instant. It is the local date, but where a
-- clock was put back over midnight (America/St_Johns until 2011: 00:01 to 23:01) the day before ends later.
create function closing_day(instant timestamptz, zone text) returns date
  language sql stable parallel safe
  return least((instant at time zone zone)::date, ((instant + interval '30 minutes') at time zone zone)::date);

-- A local wall-clock time as an instant: of a doubled hour the first pass, and a skipped time goes by the offset
-- before the gap, as in Python's zoneinfo. (AT TIME ZONE alone takes the second pass.)
create function local_instant(local timestamp, zone text) returns timestamptz
  language sql stable parallel safe
  return case
    when ((local at time zone zone) - interval '1 hour') at time zone zone = local
      then (local at time zone zone) - interval '1 hour'
    when ((local at time zone zone) - interval '30 minutes') at time zone zone = local
      then (local at time zone zone) - interval '30 minutes'
    else local at time zone zone end;

-- A location's zone decides the days of its evidence; it is fixed once there is any.
create function location_zone_is_fixed() returns trigger
  language plpgsql set search_path = syncstock as $$
begin
  if new.timezone is distinct from old.timezone
     and exists (select from item_stock where location_id = old.location_id) then
    raise exception 'location % has evidence: its zone % cannot be changed to %',
      old.code, old.timezone, new.timezone using errcode = 'restrict_violation';
  end if;
  return new;
end $$;

create trigger location_zone_is_fixed
  before update of timezone on locations
  for each row execute function location_zone_is_fixed();

-- A worker holds this advisory lock on its operation for as long as it lives.
create function operation_lock(operation_id bigint) returns bigint
  language sql immutable parallel safe
  return (7305790::bigint << 40) + operation_id;

create function operation_is_alive(operation_id bigint) returns boolean
  language sql stable
  return exists (
    select from pg_locks as held
    where held.locktype = 'advisory' and held.granted
      and held.database = (select d.oid from pg_database as d where d.datname = current_database())
      and ((held.classid::bigint << 32) | held.objid::bigint) = operation_lock(operation_id));

-- RUNNING is believed only while a worker lives.
create function get_status()
  returns table (status text, notes text, operation_uuid uuid, last_run_at timestamptz,
                 last_success_at timestamptz, articles bigint, open_conflicts bigint, held_counts bigint,
                 quarantined bigint, waiting_deliveries bigint)
  language sql stable
begin atomic
  with died as (
    select meta.status = 'RUNNING' and not exists (
      select from sync_operations as o
      where o.status = 'in_progress' and operation_is_alive(o.operation_id)) as yes
    from meta)
  select
    case when died.yes then 'ERROR' else meta.status end,
    case
      when died.yes then 'The worker of the last operation died; nothing of it was kept. Run it again.'
      else meta.notes end,
    meta.operation_uuid, meta.last_run_at, meta.last_success_at,
    (select count(*) from item_stock as s where s.events > 0),
    (select count(*) from sync_conflicts as c where c.status = 'open'),
    (select count(*) from stock_counts as k
     where k.decision = 'held' and k.withdrawn_by is null and k.standing = 'none'),
    (select count(*) from quarantine as q where q.state = 'waiting'),
    (select count(*) from deliveries as d where d.state = 'received')
  from meta, died;
end;

create function get_watermarks()
  returns table (source_type text, last_processed_at timestamptz, lateness interval, cursor text,
                 updated_at timestamptz)
  language sql stable
begin atomic
  select w.source_type, w.last_processed_at, w.lateness, w.cursor, w.updated_at
  from watermarks as w
  order by w.source_type;
end;

-- Forget how far each source was read; the next reading takes everything, and applies what is new.
create function reset_watermarks() returns bigint
  language sql
begin atomic
  with reset as (
    update watermarks
    set last_processed_at = null, cursor = null, updated_at = clock_timestamp()
    returning 1)
  select count(*) from reset;
end;
