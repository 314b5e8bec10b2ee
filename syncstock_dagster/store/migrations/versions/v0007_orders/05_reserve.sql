-- Promises stock to somebody until an instant, all lines or nothing; nothing moves. The same reference with the same
-- content is answered as before while it is open; once it has expired it is promised anew, if there is enough.
create function reserve_stock(order_ref text, lines jsonb, default_location text, who text, lasting interval,
                              fresh_since timestamptz default null, run_id text default null) returns jsonb
  language plpgsql
  set search_path = syncstock
as $$
declare
  began constant timestamptz := clock_timestamp();
  resolved jsonb;
  weighed jsonb;
  before record;
  made record;
  until timestamptz;
begin
  perform pg_advisory_xact_lock(hashtextextended('order ' || order_ref, 0));
  select jsonb_agg(to_jsonb(x) order by x.line) into resolved from order_lines(lines, default_location) as x;
  select min(r.state) as state, min(r.expires_at) as expires_at, jsonb_agg(jsonb_build_object(
           'line', r.line, 'sku', p.sku, 'inventory_id', r.inventory_id, 'location', l.code,
           'location_id', r.location_id, 'quantity', r.quantity, 'unit_price', r.unit_price) order by r.line) as lines
  into before
  from reservations as r
  join locations as l using (location_id)
  left join products as p using (inventory_id)
  where r.ref = order_ref;
  if before.state is not null then
    if order_content(before.lines) is distinct from order_content(resolved) then
      return jsonb_build_object('status', 'refused', 'kind', 'other content', 'asked', resolved, 'lines', before.lines);
    elsif before.state <> 'open' then
      return jsonb_build_object('status', before.state, 'kind', before.state, 'lines', before.lines);
    elsif before.expires_at > clock_timestamp() then
      return jsonb_build_object('status', 'already reserved', 'lines', before.lines, 'expires_at', before.expires_at);
    end if;
  end if;
  if exists (select from delivery_identities as i where i.identity = 'order:' || order_ref) then
    return jsonb_build_object('status', 'refused', 'kind', 'ordered', 'lines', resolved);
  end if;

  weighed := weigh_order(order_ref, resolved, fresh_since);
  if weighed ->> 'status' <> 'enough' then
    return weighed;
  end if;
  until := clock_timestamp() + lasting;
  select r.operation_id, r.operation_uuid
  into made
  from record_order('reserve', order_ref, who, run_id, began, jsonb_array_length(resolved), false, jsonb_build_object(
    'lines', weighed -> 'lines', 'expires_at', until, 'ref', order_ref)) as r;
  insert into reservations as r
    (ref, line, inventory_id, location_id, quantity, unit_price, reserved_at, expires_at, operation_id)
  select order_ref, x.line, x.inventory_id, x.location_id, x.quantity, x.unit_price, clock_timestamp(), until,
         made.operation_id
  from jsonb_to_recordset(resolved) as x (
    line int, inventory_id bigint, location_id int, quantity numeric, unit_price numeric)
  on conflict (ref, line) do update
  set reserved_at = excluded.reserved_at, expires_at = excluded.expires_at, operation_id = excluded.operation_id;
  return jsonb_build_object('status', 'reserved', 'operation_uuid', made.operation_uuid, 'lines', weighed -> 'lines',
                            'expires_at', until);
end $$;

-- Gives back what is reserved under a reference. What was given back or has become an order stays as it is.
create function release_reservation(order_ref text, who text, run_id text default null) returns jsonb
  language plpgsql
  set search_path = syncstock
as $$
declare
  began constant timestamptz := clock_timestamp();
  before record;
  made record;
begin
  perform pg_advisory_xact_lock(hashtextextended('order ' || order_ref, 0));
  select min(r.state) as state, count(*)::int as items, jsonb_agg(jsonb_build_object(
           'line', r.line, 'sku', p.sku, 'inventory_id', r.inventory_id, 'location', l.code,
           'location_id', r.location_id, 'quantity', r.quantity, 'unit_price', r.unit_price) order by r.line) as lines
  into before
  from reservations as r
  join locations as l using (location_id)
  left join products as p using (inventory_id)
  where r.ref = order_ref;
  if before.state is null then
    return jsonb_build_object('status', 'refused', 'kind', 'reservation', 'lines', '[]'::jsonb);
  elsif before.state <> 'open' then
    return jsonb_build_object('status', before.state, 'kind', before.state, 'lines', before.lines);
  end if;
  select r.operation_id, r.operation_uuid
  into made
  from record_order('unreserve', order_ref, who, run_id, began, before.items, false,
                    jsonb_build_object('lines', before.lines, 'ref', order_ref)) as r;
  update reservations as r
  set state = 'released', closed_by = made.operation_id
  where r.ref = order_ref;
  return jsonb_build_object('status', 'released', 'operation_uuid', made.operation_uuid, 'lines', before.lines);
end $$;
