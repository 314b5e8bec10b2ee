-- Identities of the movements that the operation's deliveries brought, that it withdrew or that it chose.
-- Grain: identity.
insert into run_contested
select m.source_id, m.document_key, m.line_key
from deliveries as d
join movements as m using (delivery_id)
where d.operation_id = %(target_id)s and m.state <> 'withdrawn'
union
select m.source_id, m.document_key, m.line_key
from movements as m
where m.withdrawn_by = %(target_id)s or m.chosen_by = %(target_id)s
