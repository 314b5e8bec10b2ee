-- Identities whose content in force is not the one chosen, restated last or received first; or that have
-- deliveries and nothing in force. Grain: identity.
with shared as (
  select m.*, d.received_at
  from movements as m
  join deliveries as d using (delivery_id)
  where m.state <> 'withdrawn'
    and (m.source_id, m.document_key, m.line_key) in (
      select o.source_id, o.document_key, o.line_key from movements as o where o.state <> 'in_force')),
firsts as (
  select distinct on (source_id, document_key, line_key) source_id, document_key, line_key, delivery_id, position
  from (
    select *, rank() over (
      partition by source_id, document_key, line_key order by received_at, delivery_id, position) as n
    from shared) as ordered
  order by source_id, document_key, line_key, chosen_by desc nulls last, restates desc,
           case when restates then -n else n end)
select s.source_id, s.document_key, s.line_key, s.delivery_id, s.position, s.state
from shared as s
join firsts as f using (source_id, document_key, line_key)
where ((s.delivery_id, s.position) = (f.delivery_id, f.position)) <> (s.state = 'in_force')
