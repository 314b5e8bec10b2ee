-- What the source said last of each article, and that it was seen. Grain: article. Tells of each whether it is the first
-- time in this pull.
with before as (
  select p.code, k.seen_in is distinct from %(pull_id)s as is_first
  from pulled_items as p
  left join source_items as k on k.source = %(source)s and k.code = p.code
  where p.pull_id = %(pull_id)s),
kept as (
  insert into source_items as k
    (source, code, sku, fields, modified_at, seen_in, seen_at, operation_id)
  select %(source)s, p.code, p.sku, p.fields, p.modified_at, %(pull_id)s, clock_timestamp(), %(operation_id)s
  from pulled_items as p
  where p.pull_id = %(pull_id)s
  order by p.code
  on conflict (source, code) do update
    set sku = excluded.sku, fields = excluded.fields, modified_at = excluded.modified_at,
        seen_in = excluded.seen_in, seen_at = excluded.seen_at, gone_at = null,
        operation_id = case when exists (select from run_pulled_items as c where c.code = k.code)
                            then excluded.operation_id else k.operation_id end)
select count(*) filter (where is_first) from before
