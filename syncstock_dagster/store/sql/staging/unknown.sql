-- Changes about nobody knows what: neither a SKU nor a code that one article has. Amounts are told as text, which
-- stays exact on the way through Python. Grain: change.
select r.position,
       jsonb_build_object('change_type', r.change_type, 'fields', (
         select coalesce(jsonb_object_agg(f.key, case jsonb_typeof(f.value) when 'number' then to_jsonb(f.value #>> '{}')
                                                 else f.value end), '{}')
         from jsonb_each(r.fields) as f)) as payload
from raw_changes as r
where r.sku is null
  and not exists (
    select from products as p where p.inventory_id = r.inventory_id)
  and not exists (
    select from jsonb_array_elements_text(nullif(r.fields -> ('identifiers.' || %(source)s), 'null')) as e (code)
    join product_identifiers as c on c.system = %(source)s and c.identifier = e.code
    having count(distinct c.inventory_id) = 1)
order by r.position
