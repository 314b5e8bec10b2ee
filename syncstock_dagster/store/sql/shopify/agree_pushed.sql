-- Fields that were sent: both sides agree on them as they stand in the article, amounts as numbers. Grain: article.
with sent as (
  select r.inventory_id, jsonb_object_agg(r.field, p.state -> r.field) as fields
  from jsonb_to_recordset(%(rows)s::jsonb) as r (inventory_id bigint, field text, new text)
  join product_states as p using (inventory_id)
  where p.state ->> r.field = r.new
  group by r.inventory_id)
update product_syncs as y
set remote = y.remote || s.fields, agreed = y.agreed || s.fields
from sent as s
where y.inventory_id = s.inventory_id and y.system = %(system)s
