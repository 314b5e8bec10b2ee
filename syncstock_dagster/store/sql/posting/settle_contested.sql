-- Which content of each contested identity is in force (law L5): what a person chose last; else, where later
-- ones restate, the one received last; else the one received first. The rest is a duplicate, superseded, or a
-- conflict. Grain: movement.
with contenders as (
  select m.*, d.received_at
  from run_contenders as c
  join movements as m using (movement_id)
  join deliveries as d using (delivery_id)),
-- A record is one delivered line: both legs of a transfer.
records as (
  select source_id, document_key, line_key, delivery_id, position,
         min(received_at) as received_at, max(chosen_by) as chosen_by, bool_or(restates) as restates,
         bool_and(state <> 'withdrawn') as is_live,
         jsonb_agg(jsonb_build_array(
           leg, inventory_id, location_id, trim_scale(quantity), effective_at, day_grain, reason)
           order by leg) as content
  from contenders
  group by source_id, document_key, line_key, delivery_id, position),
-- A choice is of a content, whichever delivery brings it, also when the one it was made on is withdrawn.
chosen as (
  select source_id, document_key, line_key, delivery_id, position, received_at, restates, content, is_live,
         max(chosen_by) over (partition by source_id, document_key, line_key, content) as chosen_by
  from records),
received as (
  select *, row_number() over (
    partition by source_id, document_key, line_key
    order by received_at, delivery_id, position) as receipt_order
  from chosen
  where is_live),
ranked as (
  select *, row_number() over (
    partition by source_id, document_key, line_key
    order by chosen_by desc nulls last, restates desc,
             case when restates then -receipt_order else receipt_order end) as precedence
  from received),
judged as (
  select r.source_id, r.document_key, r.line_key, r.delivery_id, r.position,
         case
           when r.precedence = 1 then 'in_force'
           when r.content = w.content then 'duplicate'
           when r.restates or r.chosen_by is not null or w.chosen_by is not null then 'superseded'
           else 'conflict'
         end::movement_state as state
  from ranked as r
  join ranked as w using (source_id, document_key, line_key)
  where w.precedence = 1)
update movements as m
set state = j.state
from judged as j, run_contenders as c
where m.movement_id = c.movement_id
  and m.source_id = j.source_id and m.document_key = j.document_key and m.line_key = j.line_key
  and m.delivery_id = j.delivery_id and m.position = j.position
  and m.state <> 'withdrawn' and m.state <> j.state
