-- A person chooses one content of an identity: the conflict's own, or the one that was in force. A choice is of a
-- content, whichever delivery brings it: the one that raised the conflict may be withdrawn by now.
-- Grain: movement; both legs of a transfer.
with of_identity as (
  select m.movement_id, m.state, m.delivery_id, m.position, n.delivery_id as asked_delivery_id,
         n.position as asked_position, m.leg,
         jsonb_build_array(
           m.leg, m.inventory_id, m.location_id, trim_scale(m.quantity), m.effective_at, m.day_grain, m.reason) as content
  from sync_conflicts as k
  join movements as n using (movement_id)
  join movements as m using (source_id, document_key, line_key)
  where k.conflict_id = %(conflict_id)s),
records as (
  select delivery_id, position, jsonb_agg(content order by leg) as content
  from of_identity
  group by delivery_id, position),
asked as (
  select distinct r.content
  from of_identity as i
  join records as r on (r.delivery_id, r.position) = (i.asked_delivery_id, i.asked_position))
update movements as m
set chosen_by = %(operation_id)s
from of_identity as i
join records as r using (delivery_id, position)
where m.movement_id = i.movement_id
  and case when %(keep)s = 'new' then i.state <> 'withdrawn' and r.content in (select a.content from asked as a)
    else m.movement_id in (select b.movement_id from run_before as b) end
