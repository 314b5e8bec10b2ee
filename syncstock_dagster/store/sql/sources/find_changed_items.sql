-- Articles of which the source says something else than it said last, or of which that was rolled back.
-- Grain: article.
insert into run_pulled_items (position, code, sku, fields, modified_at)
select row_number() over (order by p.code), p.code, p.sku, p.fields, p.modified_at
from pulled_items as p
left join source_items as k on k.source = %(source)s and k.code = p.code
left join sync_operations as o on o.operation_id = k.operation_id
where p.pull_id = %(pull_id)s
  and (k.code is null or k.sku is distinct from p.sku or k.fields <> p.fields or o.status = 'rolled_back')
