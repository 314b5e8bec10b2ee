-- Codes that an article no longer has, or that go over to another one: that one changes, too, and gets its version
-- with the others. Grain: code.
with changed as (
  select c.inventory_id, substr(f.field, 13) as system, f.new as codes
  from run_parts as f
  join run_commit as c using (staging_id)
  where c.problem is null and f.field like 'identifiers.%%'),
said as materialized (
  select c.inventory_id, c.system, e.code
  from changed as c
  cross join lateral jsonb_array_elements_text(c.codes) as e (code)),
-- In parts, each of which joins by what it looks for: a commit of many articles of one system costs what it changes.
leaving as (
  select x.system, x.identifier
  from changed as c
  join product_identifiers as x on x.inventory_id = c.inventory_id and x.system = c.system
  where not coalesce(c.codes ? x.identifier, false)
  union
  select x.system, x.identifier
  from said as s
  join product_identifiers as x on x.system = s.system and x.identifier = s.code
  where x.inventory_id <> s.inventory_id
  union
  select x.system, x.identifier
  from said as s
  join product_identifiers as x on x.system = 'gtin' and lpad(x.identifier, 14, '0') = lpad(s.code, 14, '0')
  where s.system = 'gtin' and x.inventory_id <> s.inventory_id),
gone as (
  delete from product_identifiers as x
  using leaving as l
  where x.system = l.system and x.identifier = l.identifier
  returning x.inventory_id, x.system),
losers as (
  insert into run_restated
  select distinct g.inventory_id
  from gone as g
  where not exists (
    select from changed as c where c.inventory_id = g.inventory_id and c.system = g.system)
  returning inventory_id)
update products as p
set updated_at = clock_timestamp()
from losers as l
where p.inventory_id = l.inventory_id
