-- How a source stands: what it said last, what waits, and how its last pull went. One row.
select
  (select count(*) from source_items as i where i.source = %(source)s and i.gone_at is null) as items,
  (select count(*) from source_items as i where i.source = %(source)s and i.gone_at is not null) as items_gone,
  l.levels, l.with_stock, l.without_stock, l.total_quantity, l.last_level_at,
  p.pull_id as last_pull, p.scope as last_scope, p.started_at as last_started_at, p.ended_at as last_ended_at,
  p.items as last_items, p.levels as last_levels, p.pages as last_pages,
  w.ended_at as last_whole_at, w.items as last_whole_items,
  o.pull_id as open_pull, o.position as open_position, o.reason as open_reason, o.pages as open_pages,
  (select count(*) from source_hints as h where h.source = %(source)s and h.worked_at is null) as hints_waiting,
  (select count(*) from dead_letters as d where d.source = %(source)s and d.state = 'waiting') as dead_letters,
  (select count(*) from quarantine as q where q.source = %(source)s and q.state = 'waiting') as quarantined
from (
  select count(*) as levels, count(*) filter (where quantity > 0) as with_stock,
         count(*) filter (where quantity <= 0) as without_stock, coalesce(sum(quantity), 0) as total_quantity,
         max(seen_at) as last_level_at
  from source_levels where source = %(source)s) as l
left join lateral (
  select * from source_pulls where source = %(source)s and state = 'complete' order by ended_at desc limit 1
) as p on true
left join lateral (
  select * from source_pulls where source = %(source)s and state = 'complete' and is_whole
  order by ended_at desc limit 1
) as w on true
left join lateral (
  select * from source_pulls where source = %(source)s and state = 'open' and scope <> 'ids' limit 1
) as o on true
