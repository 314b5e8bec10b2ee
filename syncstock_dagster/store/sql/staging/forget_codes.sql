-- Codes that an article no longer has, or that go over to another one: that one changes, too, and gets its version
-- with the others. Grain: code.
with changed as (
  select c.inventory_id, substr(f.key, 13) as system, nullif(f.value -> 'new', 'null') as codes
  from run_commit as c
  cross join lateral jsonb_each(c.change_data) as f
  where c.problem is null and f.key like 'identifiers.%%'),
gone as (
  delete from product_identifiers as x
  using changed as c
  where x.system = c.system
    and (x.inventory_id = c.inventory_id and not coalesce(c.codes ? x.identifier, false)
         or x.inventory_id <> c.inventory_id and (
           c.codes ? x.identifier
           or x.system = 'gtin' and exists (
             select from jsonb_array_elements_text(c.codes) as e (code)
             where lpad(e.code, 14, '0') = lpad(x.identifier, 14, '0'))))
  returning x.inventory_id),
losers as (
  insert into run_losers
  select distinct g.inventory_id
  from gone as g
  where not exists (
    select from run_commit as c where c.inventory_id = g.inventory_id and c.problem is null)
  returning inventory_id)
update products as p
set updated_at = clock_timestamp()
from losers as l
where p.inventory_id = l.inventory_id
