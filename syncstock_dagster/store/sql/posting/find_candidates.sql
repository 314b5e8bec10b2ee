-- Gated counts of the touched articles that wait for a verdict, new or held before, as they would stand if
-- applied: of one slot the one received last, rooms of a session summed. Held counts that a later one of
-- their slot replaces are superseded. word and point_word say who spoke first at the instant, the candidate's group
-- or those that are applied. Grain: article, location, instant, source, session.
with gates_of_sources as materialized (
  select source_id, limits from run_gates where category_id is null and inventory_id is null),
open_counts as (
  select c.*
  from run_counts as n
  join stock_counts as c using (count_id)
  where c.decision = 'pending'
  union all
  select c.*
  from run_pairs as r
  join stock_counts as c using (inventory_id, location_id)
  where c.decision = 'held' and c.withdrawn_by is null),
instants as (
  select distinct inventory_id, location_id, counted_at from open_counts),
spoken as (
  select c.*,
         row_number() over (
           partition by c.inventory_id, c.location_id, c.counted_at
           order by d.received_at, c.delivery_id, c.position) as word,
         row_number() over (
           partition by c.inventory_id, c.location_id, c.counted_at, c.source_id, c.session, c.room
           order by d.received_at desc, c.delivery_id desc, c.position desc) = 1 as is_last
  from instants as i
  join stock_counts as c using (inventory_id, location_id, counted_at)
  join deliveries as d using (delivery_id)
  where c.decision in ('pending', 'held', 'applied') and c.withdrawn_by is null),
heard as (
  select *, min(word) filter (where decision = 'applied') over (
    partition by inventory_id, location_id, counted_at) as point_word
  from spoken),
superseded as (
  update stock_counts as c
  set standing = case when s.is_last then 'none' else 'superseded' end::count_standing,
      decision = case when c.decision = 'pending' then 'held' else c.decision end
  from spoken as s
  where c.count_id = s.count_id and s.decision in ('pending', 'held')
    and (c.standing <> case when s.is_last then 'none' else 'superseded' end::count_standing
         or (c.decision = 'pending' and not s.is_last))),
asked as (
  select inventory_id, location_id, counted_at, source_id, session,
         sum(quantity) filter (where is_last) as quantity,
         array_agg(count_id order by count_id) filter (where is_last and decision <> 'applied') as count_ids,
         min(word) filter (where is_last or decision = 'applied') as word, min(point_word) as point_word
  from heard
  group by inventory_id, location_id, counted_at, source_id, session
  having bool_or(is_last and decision <> 'applied'))
insert into run_candidates
select a.inventory_id, a.location_id, a.counted_at, a.source_id, a.session, a.quantity, a.count_ids, a.word, a.point_word,
       row_number() over (
         partition by a.inventory_id, a.location_id
         order by a.counted_at, a.source_id, a.session nulls first),
       earlier.counted_at, coalesce(here.counted_at, earlier.counted_at), coalesce(here.variance, 0),
       coalesce(of_article.limits, of_category.limits, of_source.limits), unit_value(p.cost, p.price), null
from asked as a
join gates_of_sources as of_source on of_source.source_id = a.source_id
left join products as p on p.inventory_id = a.inventory_id
left join run_gates as of_category
  on of_category.source_id = a.source_id and of_category.category_id = p.category_id
left join run_gates as of_article
  on of_article.source_id = a.source_id and of_article.inventory_id = a.inventory_id
left join count_points as here
  on here.inventory_id = a.inventory_id and here.location_id = a.location_id
  and here.counted_at = a.counted_at and here.recorded_to = 'infinity'
left join lateral (
  select p.counted_at from count_points as p
  where p.inventory_id = a.inventory_id and p.location_id = a.location_id
    and p.counted_at < a.counted_at and p.recorded_to = 'infinity'
  order by p.counted_at desc
  limit 1) as earlier on true
