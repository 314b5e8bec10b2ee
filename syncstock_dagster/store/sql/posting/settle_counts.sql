-- Which count is in force at each touched instant (law L1): of one source, session and room the one received
-- last; rooms of one session are summed; of several sources or sessions that disagree, the one that spoke
-- first, the others are a conflict. Records the standing of every row and what changes.
-- Grain of run_count_changes: article, location, instant.
with eligible as (
  select c.*, row_number() over (
           partition by c.inventory_id, c.location_id, c.counted_at
           order by d.received_at, c.delivery_id, c.position) as receipt_order
  from run_count_keys as k
  join stock_counts as c using (inventory_id, location_id, counted_at)
  join deliveries as d using (delivery_id)
  where c.decision = 'applied' and c.withdrawn_by is null),
placed as (
  select *, receipt_order = max(receipt_order) over (
    partition by inventory_id, location_id, counted_at, source_id, session, room) as is_last
  from eligible),
spoken as (
  select inventory_id, location_id, counted_at, source_id, session,
         sum(quantity) filter (where is_last) as quantity,
         min(count_id) filter (where is_last) as count_id,
         min(receipt_order) as first_word
  from placed
  group by inventory_id, location_id, counted_at, source_id, session),
winners as (
  select distinct on (inventory_id, location_id, counted_at) *
  from spoken
  order by inventory_id, location_id, counted_at, first_word),
standings as (
  update stock_counts as c
  set standing = judged.standing
  from (
    select p.count_id,
           case
             when not p.is_last then 'superseded'
             when s.first_word = w.first_word then 'in_force'
             when s.quantity = w.quantity then 'agrees'
             else 'conflict'
           end::count_standing as standing
    from placed as p
    join spoken as s
      on (s.inventory_id, s.location_id, s.counted_at, s.source_id)
         = (p.inventory_id, p.location_id, p.counted_at, p.source_id)
      and s.session is not distinct from p.session
    join winners as w
      on (w.inventory_id, w.location_id, w.counted_at) = (p.inventory_id, p.location_id, p.counted_at)
  ) as judged
  where c.count_id = judged.count_id and c.standing <> judged.standing),
points as (
  select p.inventory_id, p.location_id, p.counted_at, p.quantity, p.variance, p.count_id
  from run_count_keys as k
  join count_points as p using (inventory_id, location_id, counted_at)
  where p.recorded_to = 'infinity'),
-- The same quantity by another count: the point stays as it is known.
renamed as (
  update count_points as p
  set count_id = w.count_id
  from winners as w
  where (p.inventory_id, p.location_id, p.counted_at) = (w.inventory_id, w.location_id, w.counted_at)
    and p.recorded_to = 'infinity' and p.quantity = w.quantity and p.count_id <> w.count_id)
insert into run_count_changes
  (inventory_id, location_id, counted_at, old_quantity, old_variance, new_quantity, count_id, gap)
select inventory_id, location_id, counted_at, p.quantity, p.variance, w.quantity, w.count_id,
       w.quantity - p.quantity
from winners as w
full join points as p using (inventory_id, location_id, counted_at)
where w.quantity is distinct from p.quantity
