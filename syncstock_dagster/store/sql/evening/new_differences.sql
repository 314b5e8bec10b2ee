-- Counts of the last days that were applied and are far from the books, as the gate judged them. Grain: count.
select c.count_id, l.code as location, p.sku, c.counted_at, c.quantity as counted, x.expected,
       c.quantity - x.expected as variance, x.tier
from decisions as x
join stock_counts as c using (count_id)
join locations as l using (location_id)
left join products as p using (inventory_id)
where x.decision = 'applied' and x.tier = 'review' and x.decided_by = 'gate' and c.decision = 'applied'
  and c.withdrawn_by is null and x.decided_at > clock_timestamp() - %(lasting)s::interval
order by abs(c.quantity - x.expected) desc, c.count_id
