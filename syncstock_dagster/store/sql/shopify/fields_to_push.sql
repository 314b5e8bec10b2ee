-- Fields that were changed here since both sides agreed, and not over there as far as is known; and those where both
-- moved and it was decided for ours. Whether all variants of the product say the same of it here is told with it.
-- Grain: article and field.
with articles as (
  select v.product_id, v.variant_id, i.inventory_id, p.state, y.agreed, y.remote,
         count(*) over (partition by v.product_id) as size
  from shopify_variants as v
  left join product_identifiers as i on i.system = %(system)s and i.identifier = v.variant_id
  left join product_states as p using (inventory_id)
  left join product_syncs as y on y.inventory_id = i.inventory_id and y.system = %(system)s
  where v.shop = %(shop)s)
select a.product_id, a.variant_id, a.inventory_id, a.state ->> 'sku' as sku, a.size, f.field,
       a.remote ->> f.field as old, a.state ->> f.field as new,
       not exists (
         select from articles as b
         where b.product_id = a.product_id and b.state -> f.field is distinct from a.state -> f.field) as all_agree
from articles as a
cross join unnest(array[
  'sku', 'name', 'category', 'price', 'cost', 'is_active', 'identifiers.gtin', 'identifiers.barcode']) as f (field)
where a.agreed ? f.field
  and a.state -> f.field is distinct from nullif(a.remote -> f.field, 'null')
  and (a.remote -> f.field is not distinct from a.agreed -> f.field
       or a.state -> f.field is not distinct from nullif(a.agreed -> f.field, 'null'))
order by a.product_id, a.inventory_id, f.field
