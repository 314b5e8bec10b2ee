-- Codes that an article has from now on. Grain: code. In key order.
insert into product_identifiers (system, identifier, inventory_id)
select distinct substr(f.field, 13), e.code, c.inventory_id
from run_parts as f
join run_commit as c using (staging_id)
cross join lateral jsonb_array_elements_text(f.new) as e (code)
where c.problem is null and f.field like 'identifiers.%%'
  and not exists (
    select from product_identifiers as x
    where x.system = substr(f.field, 13) and x.identifier = e.code and x.inventory_id = c.inventory_id)
order by 1, 2
