-- Counts the operation brought are withdrawn, those it withdrew come back, and people's decisions made in it
-- are revoked: the counts are held again, or stand as they did, and the gate looks at them anew. All of it at the
-- instants that were found.
-- Grain: count.
with decided as (
  select distinct on (x.count_id) x.count_id, x.decision, x.counted, x.expected,
         coalesce((
           select p.decision from decisions as p
           where p.count_id = x.count_id and p.operation_id <> %(target_id)s and p.decision <> 'revoked'
           order by p.decision_id desc limit 1),
           case when x.decision = 'rejected' then 'applied' else 'advisory' end) as before
  from decisions as x
  join stock_counts as c using (count_id)
  join run_count_keys as k using (inventory_id, location_id, counted_at)
  where x.operation_id = %(target_id)s and x.decided_by <> 'gate'
  order by x.count_id, x.decision_id desc),
revoked as (
  insert into decisions
    (count_id, decision, tier, counted, expected, decided_by, reason, digest, decided_at, operation_id)
  select x.count_id, 'revoked', 'held', x.counted, x.expected, %(who)s, %(reason)s,
         count_digest(x.counted, x.expected), clock_timestamp(), %(operation_id)s
  from decided as x
  order by x.count_id)
update stock_counts as c
set withdrawn_by = case when c.withdrawn_by = %(target_id)s then null
                        when c.withdrawn_by is null and d.operation_id = %(target_id)s then %(operation_id)s
                        else c.withdrawn_by end,
    standing = 'none',
    decision = coalesce(
      (select x.before::count_decision from decided as x where x.count_id = c.count_id), c.decision)
from deliveries as d, run_count_keys as k
where d.delivery_id = c.delivery_id
  and k.inventory_id = c.inventory_id and k.location_id = c.location_id and k.counted_at = c.counted_at
  and (c.withdrawn_by = %(target_id)s
       or (c.withdrawn_by is null and d.operation_id = %(target_id)s)
       or c.count_id in (select x.count_id from decided as x))
