-- Whether an order can be filled. Its stock rows are locked in key order, as by everybody who posts, and read in a later
-- statement; who comes next waits until this one is through. All lines or nothing. The answer is 'enough', 'stale'
-- (nobody has looked for newer evidence since fresh_since, and nothing was counted) or 'refused'.
create function weigh_order(order_ref text, resolved jsonb, fresh_since timestamptz) returns jsonb
  language plpgsql
  set search_path = syncstock
as $$
declare
  ids bigint[];
  places int[];
  weighed jsonb;
  is_short boolean;
begin
  select array_agg(x.inventory_id), array_agg(x.location_id)
  into ids, places
  from jsonb_to_recordset(resolved) as x (inventory_id bigint, location_id int);

  if array_position(ids, null) is not null or array_position(places, null) is not null then
    return jsonb_build_object('status', 'refused', 'kind', 'unknown', 'lines', (
      select jsonb_agg(x || jsonb_build_object('why', case
               when x -> 'inventory_id' = 'null' then 'there is no such article'
               when x -> 'location_id' = 'null' then 'there is no such location' end))
      from jsonb_array_elements(resolved) as x));
  end if;

  if fresh_since is not null
     and not exists (select from meta as m where m.looked_at >= fresh_since)
     and exists (
       select from unnest(ids, places) as a (inventory_id, location_id)
       where not exists (
         select from count_points as p
         where p.inventory_id = a.inventory_id and p.location_id = a.location_id
           and p.counted_at >= fresh_since and p.recorded_to = 'infinity')) then
    return jsonb_build_object('status', 'stale', 'lines', resolved);
  end if;

  perform from item_stock as s
  where (s.inventory_id, s.location_id) in (
    select a.inventory_id, a.location_id from unnest(ids, places) as a (inventory_id, location_id))
  order by s.inventory_id, s.location_id
  for update of s;

  select jsonb_agg(x.line || jsonb_build_object(
           'on_hand', coalesce(a.on_hand, 0), 'reserved', coalesce(a.reserved, 0),
           'incoming', coalesce(a.incoming, 0), 'available', coalesce(a.available, 0),
           'why', case
             when a.inventory_id is null then 'nothing is known of it there'
             when w.wanted > a.available then 'not enough' end) order by x.n),
         bool_or(w.wanted > coalesce(a.available, 0))
  into weighed, is_short
  from jsonb_array_elements(resolved) with ordinality as x (line, n)
  join (
    select o.inventory_id, o.location_id, sum(o.quantity) as wanted
    from jsonb_to_recordset(resolved) as o (inventory_id bigint, location_id int, quantity numeric)
    group by o.inventory_id, o.location_id) as w
    on w.inventory_id = (x.line ->> 'inventory_id')::bigint and w.location_id = (x.line ->> 'location_id')::int
  left join available_stock(ids, places, order_ref) as a
    on a.inventory_id = w.inventory_id and a.location_id = w.location_id;

  return jsonb_build_object(
    'status', case when is_short then 'refused' else 'enough' end, 'kind', 'short', 'lines', weighed);
end $$;

-- An order or a reservation is an operation of its own, on record in the transaction of its effect: whoever was cut off
-- asks again under the same reference and is answered. With its event and its time. Nobody is notified of the event:
-- commits with a notice wait for each other, and whoever follows the events looks every second anyway.
create function record_order(kind text, order_ref text, who text, run_id text, began timestamptz, items int,
                             is_rollbackable boolean, statistics jsonb,
                             out operation_id bigint, out operation_uuid uuid)
  language plpgsql
  set search_path = syncstock
as $$
declare
  now_ constant timestamptz := clock_timestamp();
begin
  insert into sync_operations as o
    (operation_uuid, name, operation_type, status, statistics, created_by, dagster_run_id, started_at, finished_at,
     is_rollbackable)
  values
    (gen_random_uuid(), kind || ' ' || order_ref, kind, 'completed', record_order.statistics, who, run_id, began, now_,
     record_order.is_rollbackable)
  returning o.operation_id, o.operation_uuid into record_order.operation_id, record_order.operation_uuid;
  insert into sync_performance_logs (operation_id, total_duration, items_processed, items_per_second, stages)
  values (record_order.operation_id, now_ - began, items,
          round((items / nullif(extract(epoch from now_ - began), 0))::numeric, 3), '[]');
  insert into sync_events (event_type, entity_type, entity_id, payload, operation_id)
  values (kind || '.completed', 'operation', record_order.operation_uuid::text,
          jsonb_build_object('name', kind || ' ' || order_ref, 'type', kind, 'statistics', record_order.statistics),
          record_order.operation_id);
end $$;
