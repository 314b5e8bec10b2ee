-- What the operation brought is withdrawn; what it withdrew comes back; what it chose is open again.
-- Settling decides what is in force. Grain: movement.
update movements as m
set state = case when m.withdrawn_by = %(target_id)s then 'duplicate'
                 when m.delivery_id in (select d.delivery_id from deliveries as d where d.operation_id = %(target_id)s)
                 then 'withdrawn' else m.state end::movement_state,
    withdrawn_by = case when m.withdrawn_by = %(target_id)s then null
                        when m.delivery_id in (select d.delivery_id from deliveries as d where d.operation_id = %(target_id)s)
                        then %(operation_id)s end,
    chosen_by = nullif(m.chosen_by, %(target_id)s)
where m.withdrawn_by = %(target_id)s
   or m.chosen_by = %(target_id)s
   or (m.state <> 'withdrawn'
       and m.delivery_id in (select d.delivery_id from deliveries as d where d.operation_id = %(target_id)s))
