-- A count that says again, for the same slot, what was decided on before is no new question (law L9): it takes that
-- decision over, with its record, so that undoing the decision undoes it for every copy. Asked about is only the
-- count received last in its slot; a rejected one takes no slot. Grain: count.
with open_counts as (
  select c.*
  from run_counts as n
  join stock_counts as c using (count_id)
  where c.decision in ('pending', 'applied')
  union all
  select c.*
  from run_pairs as r
  join stock_counts as c using (inventory_id, location_id)
  where c.decision = 'held' and c.withdrawn_by is null),
repeated as (
  select distinct on (o.count_id)
         o.count_id, o.inventory_id, o.location_id, o.counted_at, o.decision as before,
         p.count_id as decided_id, p.decision
  from open_counts as o
  join deliveries as od on od.delivery_id = o.delivery_id
  join stock_counts as p
    on (p.inventory_id, p.location_id, p.counted_at, p.source_id, p.quantity)
       = (o.inventory_id, o.location_id, o.counted_at, o.source_id, o.quantity)
    and p.session is not distinct from o.session and p.room is not distinct from o.room
    and p.count_id <> o.count_id and p.withdrawn_by is null
    and p.decision = any (case when o.decision = 'applied' then array['rejected']
                               else array['applied', 'rejected'] end::count_decision[])
  join deliveries as d on d.delivery_id = p.delivery_id
  where not exists (
    select from stock_counts as l
    join deliveries as ld on ld.delivery_id = l.delivery_id
    where (l.inventory_id, l.location_id, l.counted_at, l.source_id)
          = (o.inventory_id, o.location_id, o.counted_at, o.source_id)
      and l.session is not distinct from o.session and l.room is not distinct from o.room
      and l.withdrawn_by is null and l.decision <> 'rejected'
      and (ld.received_at, l.delivery_id, l.position) > (od.received_at, o.delivery_id, o.position))
  order by o.count_id, d.received_at, p.delivery_id, p.position),
decided as (
  update stock_counts as c
  set decision = r.decision, standing = 'none'
  from repeated as r
  where c.count_id = r.count_id),
keys as (
  insert into run_count_keys
  select distinct inventory_id, location_id, counted_at from repeated
  on conflict do nothing),
records as (
  select distinct on (r.count_id)
         r.count_id, r.inventory_id, r.location_id, x.decision, x.tier, x.counted, x.expected, x.decided_by,
         x.reason, x.digest, x.operation_id
  from repeated as r
  join decisions as x on x.count_id = r.decided_id and x.decision = r.decision::text
  order by r.count_id, x.decision_id desc),
-- What the count returns to when a person's decision is undone: a question again.
questions as (
  select r.count_id, r.inventory_id, r.location_id, 'held' as decision, 'held' as tier, r.counted, r.expected,
         'gate' as decided_by, null as reason, r.digest, %(operation_id)s::bigint as operation_id
  from records as r
  join repeated as n using (count_id)
  where r.decided_by <> 'gate' and n.before = 'pending')
insert into decisions
  (count_id, decision, tier, counted, expected, decided_by, reason, digest, decided_at, operation_id)
select x.count_id, x.decision, x.tier, x.counted, x.expected, x.decided_by, x.reason, x.digest, p.stamp, x.operation_id
from (
  select 0 as rank, * from questions
  union all
  select 1, * from records) as x
join run_pairs as p using (inventory_id, location_id)
order by x.count_id, x.rank
