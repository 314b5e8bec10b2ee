-- Counts that wait for a person, with both values as the gate looked at them, and what was written beside them.
-- Grain: count; the farthest first.
select c.count_id, l.code as location, p.sku, p.name, c.counted_at, c.quantity as counted, x.expected,
       c.quantity - x.expected as variance, s.name as source,
       nullif(concat_ws(' ', x.reason, 'Remark: ' || c.remark), '') as reason, x.decided_at
from stock_counts as c
join locations as l using (location_id)
join sources as s using (source_id)
left join products as p using (inventory_id)
join lateral (
  select y.expected, y.reason, y.decided_at
  from decisions as y
  where y.count_id = c.count_id
  order by y.decision_id desc
  limit 1) as x on true
where c.decision = 'held' and c.withdrawn_by is null and c.standing = 'none'
order by abs(c.quantity - x.expected) desc, c.count_id
