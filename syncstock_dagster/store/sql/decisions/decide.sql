-- A person's verdict on the counts that were asked about, with what it was given on. Grain: count.
with decided as (
  update stock_counts as c
  set decision = %(decision)s::count_decision, standing = 'none'
  from run_asked as a
  where c.count_id = a.count_id)
insert into decisions
  (count_id, decision, tier, counted, expected, decided_by, reason, digest, decided_at, operation_id)
select a.count_id, %(decision)s, a.tier, a.counted, a.expected, %(who)s, %(reason)s,
       count_digest(a.counted, a.expected), a.stamp, %(operation_id)s
from run_asked as a
order by a.count_id
