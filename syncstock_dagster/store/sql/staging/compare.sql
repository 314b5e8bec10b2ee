-- What differs from the article as it is, and whether both sides have moved since they agreed last. What the source
-- said before is no news: a local change since then stands. Grain: change and field.
insert into run_fields (position, field, old, new, stands, is_contested)
select c.position, f.key, c.state -> f.key, nullif(f.value, 'null'),
       coalesce(y.remote ? f.key
         and nullif(y.remote -> f.key, 'null') is not distinct from nullif(f.value, 'null'), false),
       coalesce(y.remote ? f.key
         and nullif(y.agreed -> f.key, 'null') is distinct from c.state -> f.key, false)
from run_changes as c
cross join lateral jsonb_each(c.remote) as f
left join product_syncs as y on y.inventory_id = c.inventory_id and y.system = %(source)s
where c.state -> f.key is distinct from nullif(f.value, 'null')
