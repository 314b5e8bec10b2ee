-- Identities of the movements that the operation's deliveries brought, that it withdrew or that it chose, and that
-- are selected; both legs of a transfer go together. Grain: identity.
insert into run_contested
select m.source_id, m.document_key, m.line_key
from deliveries as d
join movements as m using (delivery_id)
where d.operation_id = %(target_id)s and m.state <> 'withdrawn'
  and (%(inventory_ids)s::bigint[] is null or m.inventory_id = any(%(inventory_ids)s::bigint[]))
  and (%(location_ids)s::int[] is null or m.location_id = any(%(location_ids)s::int[]))
union
select m.source_id, m.document_key, m.line_key
from movements as m
where (m.withdrawn_by = %(target_id)s or m.chosen_by = %(target_id)s)
  and (%(inventory_ids)s::bigint[] is null or m.inventory_id = any(%(inventory_ids)s::bigint[]))
  and (%(location_ids)s::int[] is null or m.location_id = any(%(location_ids)s::int[]))
