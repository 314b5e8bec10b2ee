-- The counts that are decided on, with every copy that says the same of the same slot, and what the books say of them
-- under the lock. Grain: count.
insert into run_asked (count_id, source_id, delivery_id, counted, expected, stamp, tier)
with copies as (
  select distinct c.count_id, c.source_id, c.delivery_id, c.inventory_id, c.location_id, c.counted_at, c.quantity
  from stock_counts as n
  join stock_counts as c
    on (c.inventory_id, c.location_id, c.counted_at, c.source_id, c.quantity)
       = (n.inventory_id, n.location_id, n.counted_at, n.source_id, n.quantity)
    and c.session is not distinct from n.session and c.room is not distinct from n.room
  where n.count_id = any(%(count_ids)s::bigint[])
    and c.withdrawn_by is null and c.decision::text = any(%(from_decisions)s::text[])),
asked as (
  select c.*, b.book - coalesce(p.variance, 0) as expected, r.stamp
  from copies as c
  join run_books as b using (inventory_id, location_id, counted_at)
  join run_pairs as r using (inventory_id, location_id)
  left join count_points as p
    on p.inventory_id = c.inventory_id and p.location_id = c.location_id
    and p.counted_at = c.counted_at and p.recorded_to = 'infinity')
select a.count_id, a.source_id, a.delivery_id, a.quantity, a.expected, a.stamp,
       gate_tier(a.quantity - a.expected, a.expected, unit_value(p.cost, p.price),
                 coalesce(of_article.limits, of_category.limits, of_source.limits))
from asked as a
join run_gates as of_source
  on of_source.source_id = a.source_id and of_source.category_id is null and of_source.inventory_id is null
left join products as p on p.inventory_id = a.inventory_id
left join run_gates as of_category
  on of_category.source_id = a.source_id and of_category.category_id = p.category_id
left join run_gates as of_article
  on of_article.source_id = a.source_id and of_article.inventory_id = a.inventory_id
