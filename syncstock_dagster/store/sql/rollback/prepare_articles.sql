-- The change of each article that takes back what was found. Grain: article.
insert into run_commit (staging_id, inventory_id, sku, change_type, change_data)
select r.inventory_id, r.inventory_id, p.sku, 'update',
       jsonb_object_agg(r.field, jsonb_build_object('old', r.old, 'new', r.new))
from run_reversals as r
join products as p using (inventory_id)
group by r.inventory_id, p.sku
