-- What the operation brought is withdrawn; what it withdrew comes back; what it chose is open again; all of it for
-- the identities that were found. Settling decides what is in force. Grain: movement.
with brought as (
  select d.delivery_id from deliveries as d where d.operation_id = %(target_id)s)
update movements as m
set state = case when m.withdrawn_by = %(target_id)s then 'duplicate'
                 when m.delivery_id in (select b.delivery_id from brought as b) then 'withdrawn'
                 else m.state end::movement_state,
    withdrawn_by = case when m.withdrawn_by = %(target_id)s then null
                        when m.state <> 'withdrawn' and m.delivery_id in (select b.delivery_id from brought as b)
                        then %(operation_id)s
                        else m.withdrawn_by end,
    chosen_by = nullif(m.chosen_by, %(target_id)s)
from run_contested as c
where m.source_id = c.source_id and m.document_key = c.document_key and m.line_key = c.line_key
  and (m.withdrawn_by = %(target_id)s
       or m.chosen_by = %(target_id)s
       or (m.state <> 'withdrawn' and m.delivery_id in (select b.delivery_id from brought as b)))
