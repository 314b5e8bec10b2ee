-- Waiting evidence follows its delivery. Grain: quarantined row.
update quarantine as q
set state = case when q.withdrawn_by = %(target_id)s then 'waiting' else 'withdrawn' end,
    withdrawn_by = case when q.withdrawn_by = %(target_id)s then null else %(operation_id)s end
where q.withdrawn_by = %(target_id)s
   or (q.state = 'waiting'
       and q.delivery_id in (select d.delivery_id from deliveries as d where d.operation_id = %(target_id)s))
