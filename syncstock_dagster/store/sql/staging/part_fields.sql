-- The codes and units that a commit changes, taken out of its documents once. Grain: staged row and field.
insert into run_parts (staging_id, field, new)
select c.staging_id, f.key, nullif(c.change_data -> f.key -> 'new', 'null')
from run_commit as c
cross join lateral jsonb_object_keys(c.change_data) as f (key)
where f.key like 'identifiers.%%' or f.key like 'units.%%'
