-- Identities whose record in force is not the earliest of the content chosen last, the one restated last, or the
-- one received first; or that have live deliveries and nothing in force. Grain: record.
with shared as (
  select m.source_id, m.document_key, m.line_key, m.delivery_id, m.position, min(d.received_at) as received_at,
         max(m.chosen_by) as chosen_by, bool_or(m.restates) as restates, min(m.state) as state,
         jsonb_agg(jsonb_build_array(
           m.leg, m.inventory_id, m.location_id, trim_scale(m.quantity), m.effective_at, m.day_grain, m.reason)
           order by m.leg) as content
  from movements as m
  join deliveries as d using (delivery_id)
  where (m.source_id, m.document_key, m.line_key) in (
    select o.source_id, o.document_key, o.line_key from movements as o where o.state <> 'in_force')
  group by m.source_id, m.document_key, m.line_key, m.delivery_id, m.position),
chosen as (
  select *, max(chosen_by) over (partition by source_id, document_key, line_key, content) as content_chosen_by
  from shared),
ranked as (
  select *, rank() over (
    partition by source_id, document_key, line_key order by received_at, delivery_id, position) as n
  from chosen
  where state <> 'withdrawn'),
firsts as (
  select distinct on (source_id, document_key, line_key) source_id, document_key, line_key, delivery_id, position
  from ranked
  order by source_id, document_key, line_key, content_chosen_by desc nulls last, restates desc,
           case when restates then -n else n end)
select r.source_id, r.document_key, r.line_key, r.delivery_id, r.position, r.state::text as state
from ranked as r
join firsts as f using (source_id, document_key, line_key)
where ((r.delivery_id, r.position) = (f.delivery_id, f.position)) <> (r.state = 'in_force')
