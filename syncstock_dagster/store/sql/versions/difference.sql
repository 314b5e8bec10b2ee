-- What going back to a version would change, now to then, field by field; no row where there is no such version.
select coalesce((
    select jsonb_object_agg(f.field, jsonb_build_object('old', s.state ->> f.field, 'new', v.product_data ->> f.field))
    from changed_fields(s.state, v.product_data) as f (field)
    where f.field <> 'is_placeholder'), '{}') as changes
from product_versions as v
join product_states as s using (inventory_id)
where v.inventory_id = %(inventory_id)s and v.version_number = %(version)s
