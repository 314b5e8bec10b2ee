-- A page's levels beside those of the pages before it; of two pages that name an article and location the later one
-- counts. Where only stock is asked for, a zero is taken from those that had some. Grain: article and location.
insert into pulled_levels (pull_id, code, location, sku, quantity, counted_at, details, page)
select %(pull_id)s, r.code, r.location, r.sku, r.quantity, r.counted_at, r.details, %(page)s
from raw_pulled_levels as r
left join source_levels as k on k.source = %(source)s and k.code = r.code and k.location = r.location
where not %(with_stock_only)s or r.quantity <> 0 or k.quantity <> 0
order by r.code, r.location
on conflict (pull_id, code, location) do update
  set sku = excluded.sku, quantity = excluded.quantity, counted_at = excluded.counted_at,
      details = excluded.details, page = excluded.page
  where excluded.counted_at >= pulled_levels.counted_at
