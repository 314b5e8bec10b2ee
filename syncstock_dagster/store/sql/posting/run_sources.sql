-- The policies of the sources that appear in this run. New sources are registered.
-- Grain: source, and whether of counts or movements.
with policies as (
  select * from jsonb_to_recordset(%(policies)s::jsonb) as p (
    name text, of_counts boolean, trust text, on_change text, unknown_sku text, day_grain text, count_time time,
    sheet text)),
registered as (
  insert into sources (name)
  select distinct p.name from policies as p
  where not exists (select from sources as s where s.name = p.name)
  order by p.name
  on conflict (name) do update set name = excluded.name
  returning source_id, name)
insert into run_sources
select p.name, p.of_counts, coalesce(r.source_id, s.source_id), p.trust, p.on_change, p.unknown_sku, p.day_grain,
       p.count_time, p.sheet
from policies as p
left join sources as s on s.name = p.name
left join registered as r on r.name = p.name
