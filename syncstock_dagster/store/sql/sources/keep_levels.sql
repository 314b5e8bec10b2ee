-- What the source said last of each article and location, and the delivery that brought it. Grain: article, location.
with changed as (
  insert into source_levels as k
    (source, code, location, sku, quantity, counted_at, seen_at, delivery_id)
  select %(source)s, r.code, r.location, r.sku, r.quantity, r.counted_at, r.counted_at, %(delivery_id)s
  from run_pulled_levels as r
  order by r.code, r.location
  on conflict (source, code, location) do update
    set sku = excluded.sku, quantity = excluded.quantity, counted_at = excluded.counted_at,
        seen_at = excluded.seen_at, delivery_id = excluded.delivery_id)
update source_levels as k
set seen_at = greatest(k.seen_at, p.counted_at)
from pulled_levels as p
where p.pull_id = %(pull_id)s and k.source = %(source)s and k.code = p.code and k.location = p.location
  and not exists (select from run_pulled_levels as r where r.code = p.code and r.location = p.location)
