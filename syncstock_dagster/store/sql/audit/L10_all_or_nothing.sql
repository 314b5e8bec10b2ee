-- Deliveries that are posted without a completed operation, and evidence of deliveries that are not posted.
-- Grain: delivery.
select d.delivery_id, d.state::text as state, o.status::text as operation
from deliveries as d
left join sync_operations as o using (operation_id)
where (d.state = 'posted' and (o.status is null or o.status not in ('completed', 'partly')))
   or (d.state = 'withdrawn' and o.status is distinct from 'rolled_back')
union all
select d.delivery_id, d.state::text, 'evidence of a delivery that is not posted'
from deliveries as d
where d.state in ('received', 'rejected')
  and (exists (select from movements as m where m.delivery_id = d.delivery_id)
       or exists (select from stock_counts as c where c.delivery_id = d.delivery_id))
