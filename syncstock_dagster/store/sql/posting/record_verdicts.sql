-- Verdicts are evidence: recorded when they are new or differ from the last one on that count. What is applied
-- goes on to posting. Grain: count.
with lines as (
  select v.*, u.count_id,
         case when v.tier in ('opening', 'tolerance', 'review') then 'applied' else 'held' end as decision
  from run_verdicts as v
  cross join lateral unnest(v.count_ids) as u (count_id)),
decided as (
  update stock_counts as c
  set decision = l.decision::count_decision
  from lines as l
  where c.count_id = l.count_id
    and (c.decision <> l.decision::count_decision
         or l.decision is distinct from (
           select x.decision from decisions as x
           where x.count_id = c.count_id
           order by x.decision_id desc
           limit 1))
  returning c.count_id),
keys as (
  insert into run_count_keys
  select distinct inventory_id, location_id, counted_at from lines where decision = 'applied'
  on conflict do nothing)
insert into decisions
  (count_id, decision, tier, counted, expected, decided_by, reason, digest, decided_at, operation_id)
select l.count_id, l.decision, l.tier, l.counted, l.expected, 'gate', l.vetoed,
       count_digest(l.counted, l.expected), r.stamp, %(operation_id)s
from lines as l
join run_pairs as r using (inventory_id, location_id)
where l.count_id in (select count_id from decided)
order by l.count_id
