-- The closing balances of articles after a change on one day each: the balance of that day and of all later ones moves.
-- Neighbours differ before and after. What was published is restated (law L12). The stock rows are locked.
create function move_ranges(ids bigint[], places int[], days date[], deltas numeric[], stamp timestamptz,
                            by_operation bigint) returns void
  language plpgsql
  set search_path = syncstock
as $$
begin
  with steps as (
    select * from unnest(ids, places, days, deltas) as s (inventory_id, location_id, day, delta)),
  begun as (
    insert into stock_ranges (inventory_id, location_id, valid_from, valid_to, on_hand)
    select s.inventory_id, s.location_id, s.day, r.valid_to, r.on_hand + s.delta
    from steps as s
    join stock_ranges as r using (inventory_id, location_id)
    where r.valid_from < s.day and r.valid_to > s.day),
  ended as (
    update stock_ranges as r
    set valid_to = s.day
    from steps as s
    where r.inventory_id = s.inventory_id and r.location_id = s.location_id
      and r.valid_from < s.day and r.valid_to > s.day)
  update stock_ranges as r
  set on_hand = r.on_hand + s.delta
  from steps as s
  where r.inventory_id = s.inventory_id and r.location_id = s.location_id and r.valid_from >= s.day;

  with same as (
    select r.inventory_id, r.location_id, r.valid_from, r.valid_to, p.valid_from as earlier
    from unnest(ids, places, days) as s (inventory_id, location_id, day)
    join stock_ranges as r
      on r.inventory_id = s.inventory_id and r.location_id = s.location_id and r.valid_from = s.day
    join stock_ranges as p
      on p.inventory_id = s.inventory_id and p.location_id = s.location_id
      and p.valid_from < s.day and p.valid_to = s.day and p.on_hand = r.on_hand),
  gone as (
    delete from stock_ranges as r
    using same as s
    where (r.inventory_id, r.location_id, r.valid_from) = (s.inventory_id, s.location_id, s.valid_from))
  update stock_ranges as r
  set valid_to = s.valid_to
  from same as s
  where (r.inventory_id, r.location_id, r.valid_from) = (s.inventory_id, s.location_id, s.earlier);

  insert into restatements
    (kind, inventory_id, location_id, first_day, last_day, old_value, new_value, recorded_at, operation_id, caused_by)
  select 'snapshot', s.inventory_id, s.location_id, greatest(r.valid_from, s.day),
         least(r.valid_to - 1, c.published_through), r.on_hand - s.delta, r.on_hand, stamp, by_operation,
         array(
           select e.entry_id from ledger_entries as e
           where e.inventory_id = s.inventory_id and e.location_id = s.location_id
             and e.effective_at >= move_ranges.stamp and e.operation_id = by_operation)
  from unnest(ids, places, days, deltas) as s (inventory_id, location_id, day, delta)
  cross join lateral (
    select max(d.day) as published_through
    from day_closes as d
    where d.location_id = s.location_id and d.day >= s.day) as c
  join stock_ranges as r
    on r.inventory_id = s.inventory_id and r.location_id = s.location_id
    and r.valid_from <= c.published_through and r.valid_to > s.day;
end $$;

-- Takes an order: checks what is available and deducts it, all lines or nothing, in the caller's transaction. The same
-- reference with the same content is answered as before; with another content it is refused. lines null: those that were
-- reserved under this reference.
--
-- An order stands after every count of its articles that is known when it is made, so it never changes a variance and
-- no gate is asked; and it stands on a day that is not over, so no earlier closing balance changes. What is left of
-- posting is what this function does: evidence, ledger, stock, closing balances, record.
create function place_order(order_ref text, lines jsonb, default_location text, who text,
                            fresh_since timestamptz default null, run_id text default null) returns jsonb
  language plpgsql
  set search_path = syncstock
as $$
declare
  source_name constant text := 'orders';
  began constant timestamptz := clock_timestamp();
  known record;
  resolved jsonb;
  weighed jsonb;
  answer jsonb;
  source smallint;
  stamp timestamptz;
  made record;
  delivery bigint;
  items int;
  steps record;
begin
  -- Days are published under the same lock, alone: a day is closed before an order or after it.
  perform pg_advisory_xact_lock_shared(hashtext('syncstock publishing'));
  perform pg_advisory_xact_lock(hashtextextended('order ' || order_ref, 0));

  if lines is null then
    select jsonb_agg(jsonb_build_object(
             'inventory_id', r.inventory_id, 'location', l.code, 'quantity', r.quantity, 'unit_price', r.unit_price)
             order by r.line)
    into lines
    from reservations as r
    join locations as l using (location_id)
    where r.ref = order_ref and r.state <> 'released';
    if lines is null then
      return jsonb_build_object('status', 'refused', 'kind', 'reservation', 'lines', '[]'::jsonb);
    end if;
  end if;
  select jsonb_agg(to_jsonb(x) order by x.line) into resolved from order_lines(lines, default_location) as x;

  select d.state::text as state, o.operation_uuid, o.statistics
  into known
  from delivery_identities as i
  join deliveries as d using (delivery_id)
  join sync_operations as o using (operation_id)
  where i.identity = 'order:' || order_ref;
  if found then
    return case
      when known.state = 'withdrawn' then jsonb_build_object('status', 'cancelled', 'kind', 'cancelled')
      when known.statistics -> 'content' = order_content(resolved) then
        jsonb_build_object('status', 'already received')
      else jsonb_build_object('status', 'refused', 'kind', 'other content', 'asked', resolved) end
      || jsonb_build_object('operation_uuid', known.operation_uuid, 'lines', known.statistics -> 'lines',
                            'at', known.statistics -> 'at');
  end if;

  select s.source_id into source from sources as s where s.name = source_name;
  if not found then
    insert into sources (name) values (source_name) on conflict do nothing;
    select s.source_id into source from sources as s where s.name = source_name;
  end if;

  weighed := weigh_order(order_ref, resolved, fresh_since);
  if weighed ->> 'status' <> 'enough' then
    return weighed;
  end if;

  stamp := clock_timestamp();
  select jsonb_agg(x || jsonb_build_object(
           'on_hand', (x ->> 'on_hand')::numeric - w.wanted, 'available', (x ->> 'available')::numeric - w.wanted)),
         count(*)
  into answer, items
  from jsonb_array_elements(weighed -> 'lines') as x
  join (
    select o.inventory_id, o.location_id, sum(o.quantity) as wanted
    from jsonb_to_recordset(resolved) as o (inventory_id bigint, location_id int, quantity numeric)
    group by o.inventory_id, o.location_id) as w
    on w.inventory_id = (x ->> 'inventory_id')::bigint and w.location_id = (x ->> 'location_id')::int;

  select r.operation_id, r.operation_uuid
  into made
  from record_order('order', order_ref, who, run_id, began, items, true, jsonb_build_object(
    'movements_new', items, 'ledger_entries', items, 'lines', answer, 'content', order_content(resolved),
    'at', stamp, 'ref', order_ref)) as r;
  insert into deliveries as d (name, kind, source, state, received_at, row_count, created_by, operation_id, posted_at)
  values ('order ' || order_ref, 'order', source_name, 'posted', stamp, items, who, made.operation_id, stamp)
  returning d.delivery_id into delivery;
  insert into delivery_identities (identity, delivery_id) values ('order:' || order_ref, delivery);

  with asked as (
    select x.line, x.inventory_id, x.location_id, x.timezone, x.quantity, x.unit_price,
           greatest(stamp, c.counted_at + interval '1 microsecond') as effective_at,
           greatest(stamp, s.recorded_at + interval '1 microsecond') as recorded_at
    from jsonb_to_recordset(resolved) as x (
      line int, inventory_id bigint, location_id int, timezone text, quantity numeric, unit_price numeric)
    join item_stock as s using (inventory_id, location_id)
    cross join lateral (
      -- A count known only by its day stands at its end: it was made before this order all the same.
      select max(k.counted_at) as counted_at
      from stock_counts as k
      where k.inventory_id = x.inventory_id and k.location_id = x.location_id and k.counted_at >= stamp
        and k.decision <> 'rejected' and k.withdrawn_by is null) as c),
  moved as (
    insert into movements as m
      (delivery_id, position, inventory_id, location_id, source_id, leg, state, advisory, day_grain, restates,
       effective_at, quantity, document_key, line_key, reason, unit_price)
    select delivery, a.line, a.inventory_id, a.location_id, source, 0, 'in_force', false, false, false,
           a.effective_at, -a.quantity, ':' || order_ref, ':' || a.line, 'sale', a.unit_price
    from asked as a
    returning m.movement_id, m.position, m.inventory_id, m.location_id, m.effective_at, m.quantity),
  entered as (
    insert into ledger_entries
      (inventory_id, location_id, effective_at, recorded_at, operation_id, movement_id, entry_type, events, source_id,
       delta, reason)
    select m.inventory_id, m.location_id, m.effective_at, a.recorded_at, made.operation_id, m.movement_id, 'movement',
           1, source, m.quantity, 'sale'
    from moved as m
    join asked as a on a.line = m.position
    order by m.inventory_id, m.location_id, m.effective_at),
  flagged as (
    insert into pending_excel_updates
      (movement_id, inventory_id, location_id, order_ref, deducted, effective_at, placed_at, operation_id)
    select m.movement_id, m.inventory_id, m.location_id, order_ref, -m.quantity, m.effective_at, stamp,
           made.operation_id
    from moved as m),
  taken as (
    select a.inventory_id, a.location_id, -sum(a.quantity) as delta, count(*) as events,
           min(a.recorded_at) as recorded_at, closing_day(min(a.effective_at), min(a.timezone)) as day
    from asked as a
    group by a.inventory_id, a.location_id),
  stocked as (
    update item_stock as s
    set on_hand = s.on_hand + t.delta, events = s.events + t.events, version = s.version + 1,
        operation_id = made.operation_id, recorded_at = t.recorded_at, updated_at = clock_timestamp()
    from taken as t
    where s.inventory_id = t.inventory_id and s.location_id = t.location_id)
  select array_agg(t.inventory_id) as ids, array_agg(t.location_id) as places, array_agg(t.day) as days,
         array_agg(t.delta) as deltas
  into steps
  from taken as t;
  perform move_ranges(steps.ids, steps.places, steps.days, steps.deltas, stamp, made.operation_id);

  update reservations as r
  set state = 'committed', closed_by = made.operation_id
  where r.ref = order_ref and r.state = 'open';

  -- The watermark follows within a second: one row for all orders would let them wait for each other.
  if not exists (
    select from watermarks as w where w.source_type = source_name and w.last_processed_at > stamp - interval '1 second')
  then
    insert into watermarks (source_type) values (source_name) on conflict do nothing;
    update watermarks as w
    set last_processed_at = greatest(w.last_processed_at, stamp), updated_at = stamp,
        lateness = coalesce(w.lateness, interval '0')
    where w.source_type = (
      select l.source_type from watermarks as l where l.source_type = source_name for update skip locked);
  end if;

  return jsonb_build_object('status', 'posted', 'operation_uuid', made.operation_uuid, 'lines', answer, 'at', stamp);
end $$;
