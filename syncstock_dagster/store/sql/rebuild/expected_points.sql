-- The counts in force, from the evidence alone (law L1). A second opinion on posting/settle_counts.
-- Grain: article, location, instant.
create temp table expected_points on commit drop as
with applied as (
  select c.*, d.received_at
  from stock_counts as c
  join deliveries as d using (delivery_id)
  where c.decision = 'applied' and c.withdrawn_by is null),
last_of_slot as (
  select distinct on (inventory_id, location_id, counted_at, source_id, session, room) *
  from applied
  order by inventory_id, location_id, counted_at, source_id, session, room,
           received_at desc, delivery_id desc, position desc),
first_words as (
  select distinct on (inventory_id, location_id, counted_at)
         inventory_id, location_id, counted_at, source_id, session
  from applied
  order by inventory_id, location_id, counted_at, received_at, delivery_id, position)
select s.inventory_id, s.location_id, s.counted_at, sum(s.quantity) as quantity
from last_of_slot as s
join first_words as f
  on (f.inventory_id, f.location_id, f.counted_at, f.source_id)
     = (s.inventory_id, s.location_id, s.counted_at, s.source_id)
  and f.session is not distinct from s.session
group by s.inventory_id, s.location_id, s.counted_at
