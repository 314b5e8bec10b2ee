-- Lines of lists that wait to be told from counts, each with the line of the version before it: of one source, location
-- and article the latest one, rooms summed. After a withdrawal those that were no counts are looked at anew, for the
-- version that they repeated may be gone. Grain: article, location, instant, source, delivery.
insert into run_list_lines
with waiting as (
  select c.*
  from run_counts as n
  join stock_counts as c using (count_id)
  where c.decision = 'pending'
  union all
  select c.*
  from run_pairs as r
  join stock_counts as c using (inventory_id, location_id)
  where %(has_withdrawn)s and c.decision = 'listed' and c.withdrawn_by is null),
lines as (
  select w.inventory_id, w.location_id, w.counted_at, w.source_id, w.delivery_id, d.received_at,
         sum(w.quantity) as quantity, array_agg(w.count_id) as count_ids
  from waiting as w
  join run_sources as s on s.source_id = w.source_id and s.of_counts and s.sheet = 'list'
  join deliveries as d using (delivery_id)
  group by w.inventory_id, w.location_id, w.counted_at, w.source_id, w.delivery_id, d.received_at)
select l.inventory_id, l.location_id, l.counted_at, l.quantity, l.count_ids, before.counted_at, before.quantity
from lines as l
left join lateral (
  select p.counted_at, sum(p.quantity) as quantity
  from stock_counts as p
  join deliveries as d using (delivery_id)
  where p.inventory_id = l.inventory_id and p.location_id = l.location_id and p.source_id = l.source_id
    and p.counted_at <= l.counted_at and p.withdrawn_by is null
    and (p.counted_at, d.received_at, p.delivery_id) < (l.counted_at, l.received_at, l.delivery_id)
  group by p.counted_at, d.received_at, p.delivery_id
  order by p.counted_at desc, d.received_at desc, p.delivery_id desc
  limit 1) as before on true
