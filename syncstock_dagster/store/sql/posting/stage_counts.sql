-- Raw counts to rows of evidence; what cannot be resolved goes to quarantine. Counts of gated sources wait
-- for the gate. Grain of run_counts: see stock_counts.
with resolved as materialized (
  select
    coalesce(r.delivery_id, %(delivery_id)s) as delivery_id, r.position, s.source_id, s.trust, r.session,
    r.room, r.counter, r.remark, coalesce(r.inventory_id, k.inventory_id) as inventory_id, l.location_id,
    r.quantity,
    r.day is not null as day_grain, placed.counted_at,
    nullif(least(  -- the counting cannot have begun after it ended
      coalesce(r.counted_from, local_instant(r.counted_from_local, l.timezone), placed.counted_at),
      placed.counted_at), placed.counted_at) as counted_from,
    found.problem,
    case when l.location_id is not null and placed.counted_at >= l.accepted_before
      then day_start((placed.counted_at at time zone l.timezone)::date - 1, l.timezone) end as not_before,
    case when found.problem is not null then jsonb_strip_nulls(to_jsonb(r)) - 'delivery_id' end as payload,
    r.source as source_name, coalesce(r.sku, r.inventory_id::text) as sku,
    coalesce(r.location, %(default_location)s) as location_code
  from raw_counts as r
  join run_sources as s on s.name = r.source and s.of_counts
  left join run_skus as k on k.sku = r.sku and k.folds = (s.unknown_sku = 'quarantine')
  left join run_locations as l on l.code = coalesce(r.location, %(default_location)s)
  cross join lateral (
    select coalesce(r.counted_at, local_instant(r.counted_local, l.timezone),
                    local_instant(r.day + s.count_time, l.timezone)) as counted_at
    offset 0  -- computed once a row, not once a mention
  ) as placed
  cross join lateral (
    select case
      when r.inventory_id is null and k.inventory_id is null then 'unknown_sku'
      when l.location_id is null then 'unknown_location'
      when placed.counted_at >= l.accepted_before then 'future_date'
    end as problem
  ) as found),
quarantined as (
  insert into quarantine
    (delivery_id, kind, position, reason, source, sku, location, payload, not_before, operation_id)
  select delivery_id, 'count', position, problem, source_name, sku, location_code, payload, not_before,
         %(operation_id)s
  from resolved
  where problem is not null)
insert into run_counts
  (count_id, delivery_id, position, inventory_id, location_id, source_id, decision, standing, counted_at,
   counted_from, day_grain, quantity, session, room, counter, remark)
select nextval('stock_counts_count_id_seq'), delivery_id, position,
       inventory_id, location_id, source_id,
       (case trust when 'authoritative' then 'applied' when 'gated' then 'pending' else 'advisory' end)
         ::count_decision,
       'none', counted_at, counted_from, day_grain, quantity, session, room, counter, remark
from resolved
where problem is null
