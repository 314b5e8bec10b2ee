-- Raw movements to rows of evidence: article, location and instant resolved, day totals summed, lines without
-- a number given their ordinal for the article within the document and delivery. What cannot be resolved goes
-- to quarantine, whole. Grain of run_movements: see movements.
with resolved as materialized (
  select
    r.ordinal,
    coalesce(r.delivery_id, %(delivery_id)s) as delivery_id, r.position, r.leg, r.document, r.line, r.day,
    s.source_id, s.trust = 'advisory' as advisory, s.on_change = 'restate' as restates,
    coalesce(r.inventory_id, k.inventory_id) as inventory_id, l.location_id, r.quantity, r.reason, r.unit_price,
    placed.effective_at,
    case
      when r.inventory_id is null and k.inventory_id is null then 'unknown_sku'
      when l.location_id is null then 'unknown_location'
      when placed.effective_at >= l.accepted_before then 'future_date'
    end as problem,
    case when l.location_id is not null and placed.effective_at >= l.accepted_before
      then day_start((placed.effective_at at time zone l.timezone)::date - 1, l.timezone) end as not_before,
    r.source as source_name, coalesce(r.sku, r.inventory_id::text) as sku,
    coalesce(r.location, %(default_location)s) as location_code
  from raw_movements as r
  join run_sources as s on s.name = r.source and not s.of_counts
  left join run_skus as k on k.sku = r.sku and k.folds = (s.unknown_sku = 'quarantine')
  left join run_locations as l on l.code = coalesce(r.location, %(default_location)s)
  left join run_days as d on d.day = coalesce(r.day, r.effective_local::date) and d.timezone = l.timezone
  cross join lateral (
    select case
      when r.effective_at is not null then r.effective_at
      when r.effective_local is null and s.day_grain = 'before_counts' then d.first_instant
      when r.effective_local is null then d.last_instant
      when d.utc_offset is not null then (r.effective_local - d.utc_offset) at time zone 'UTC'
      else local_instant(r.effective_local, l.timezone) end as effective_at
    offset 0  -- computed once a row, not once a mention
  ) as placed),
-- Whatever is wrong with one leg of a transfer keeps both back.
problems as (
  select distinct on (delivery_id, position)
         delivery_id, document, position, problem, source_name, sku, location_code, not_before
  from resolved
  where problem is not null
  order by delivery_id, position, leg),
-- A row that waits keeps its ordinal, so that the same document sent again names the same lines.
ordinals as (
  select distinct delivery_id, position, dense_rank() over (
           partition by delivery_id, source_id, document, inventory_id, case when inventory_id is null then sku end
           order by position) as ordinal
  from resolved
  where line is null and (delivery_id, document) in (select p.delivery_id, p.document from problems as p)),
quarantined as (
  insert into quarantine
    (delivery_id, kind, position, reason, source, sku, location, payload, not_before, operation_id)
  select p.delivery_id, 'movement', p.position, coalesce(v.problem, p.problem), p.source_name,
         case when v.problem is null then p.sku else v.sku end,
         case when v.problem is null then p.location_code else v.location_code end,
         jsonb_strip_nulls(to_jsonb(r) || jsonb_build_object('ordinal', coalesce(r.ordinal, o.ordinal)))
           - 'delivery_id',
         case when v.problem is null then p.not_before else v.not_before end, %(operation_id)s
  from problems as p
  join raw_movements as r
    on coalesce(r.delivery_id, %(delivery_id)s) = p.delivery_id and r.position = p.position
  join resolved as v
    on v.delivery_id = p.delivery_id and v.position = p.position and v.leg = r.leg
  left join ordinals as o on o.delivery_id = p.delivery_id and o.position = p.position),
-- Numbered before those that wait are left out.
numbered as not materialized (
  select *, dense_rank() over (
           partition by delivery_id, source_id, document, inventory_id, case when inventory_id is null then sku end
           order by position) as rank
  from resolved
  where document is not null and line is null),
keyed as (
  select delivery_id, position, leg, source_id, advisory, restates, inventory_id, location_id, effective_at,
         quantity, day, reason, unit_price, ':' || document as document_key, ':' || line as line_key
  from resolved
  where document is not null and line is not null
    and problem is null and (delivery_id, position) not in (select p.delivery_id, p.position from problems as p)
  union all
  -- Ordinals of four digits at least, so that the text sorts as the rows already do.
  select n.delivery_id, n.position, n.leg, n.source_id, n.advisory, n.restates, n.inventory_id, n.location_id,
         n.effective_at, n.quantity, n.day, n.reason, n.unit_price, ':' || n.document,
         '@' || n.inventory_id || '#' || case when x.ordinal < 10000 then lpad(x.ordinal::text, 4, '0')
                                              else x.ordinal::text end
  from numbered as n
  cross join lateral (
    select case
      when n.ordinal is null then n.rank
      -- Two codes of one article in one document: the one that waited comes after the other.
      when exists (
        select from movements as m
        where m.delivery_id = n.delivery_id and m.source_id = n.source_id and m.document_key = ':' || n.document
          and m.inventory_id = n.inventory_id and m.line_key like '@%%#' || lpad(n.ordinal::text, 4, '0'))
      then n.ordinal + (
        select count(distinct m.position) from movements as m
        where m.delivery_id = n.delivery_id and m.source_id = n.source_id and m.document_key = ':' || n.document
          and m.inventory_id = n.inventory_id and m.line_key like '@%%')
      else n.ordinal end as ordinal) as x
  where n.problem is null
    and (n.delivery_id, n.position) not in (select p.delivery_id, p.position from problems as p))
insert into run_movements
  (movement_id, delivery_id, position, inventory_id, location_id, source_id, leg, state, advisory, day_grain,
   restates, effective_at, quantity, day, document_key, line_key, reason, unit_price)
select nextval('movements_movement_id_seq'), delivery_id, position,
       inventory_id, location_id, source_id, leg, 'in_force'::movement_state, advisory, day is not null, restates, effective_at,
       quantity, day, document_key, line_key, reason, unit_price
from keyed
union all
select nextval('movements_movement_id_seq'), delivery_id, min(position),
       inventory_id, location_id, source_id, 0, 'in_force'::movement_state, advisory, true, true, effective_at,
       sum(quantity), day, '=' || day, '@' || inventory_id || '@' || location_id || '@' || reason, reason, null
from resolved
where document is null and problem is null
group by delivery_id, inventory_id, location_id, source_id, advisory, effective_at, day, reason
