-- The change that brings an article back to a version. Grain: article.
insert into run_commit (staging_id, inventory_id, sku, change_type, change_data)
select v.inventory_id, v.inventory_id, s.state ->> 'sku', 'update', (
    select jsonb_object_agg(f.field, jsonb_build_object('old', s.state -> f.field, 'new', v.product_data -> f.field))
    from changed_fields(s.state, v.product_data) as f (field)
    where f.field <> 'is_placeholder')
from product_versions as v
join product_states as s using (inventory_id)
where v.inventory_id = %(inventory_id)s and v.version_number = %(version)s
  and exists (select from changed_fields(s.state, v.product_data))
