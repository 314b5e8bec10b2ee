-- Articles that a whole pull should have named and did not: moved between its pages, switched off, or gone.
-- Grain: article.
select k.code
from source_items as k
where k.source = %(source)s and k.seen_in <> %(pull_id)s and k.gone_at is null
  and (k.fields -> 'is_active' is distinct from 'false' or not %(active_only)s)
  and not exists (select from pulled_items as p where p.pull_id = %(pull_id)s and p.code = k.code)
order by k.code
