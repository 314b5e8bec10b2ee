-- A page's articles beside those of the pages before it; one that was moved to a later page meanwhile is kept as it is
-- there. Grain: article. Tells of each whether an earlier page had it.
insert into pulled_items (pull_id, code, sku, fields, modified_at, page)
select distinct on (r.code) %(pull_id)s, r.code, r.sku, r.fields, r.modified_at, %(page)s
from raw_pulled_items as r
order by r.code, r.position desc
on conflict (pull_id, code) do update
  set sku = excluded.sku, fields = excluded.fields, modified_at = excluded.modified_at, page = excluded.page
returning xmax <> 0
