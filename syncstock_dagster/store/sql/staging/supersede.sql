-- What a source staged for an article before and nobody committed is replaced by what it says now, also where the
-- article had another SKU then. Grain: staged row.
with replaced as (
  select s.staging_id
  from products_staging as s
  join run_changes as c using (sku)
  where s.source = %(source)s and s.status in ('staged', 'approved')
  union
  select s.staging_id
  from products_staging as s
  join run_changes as c on c.inventory_id = s.source_product_id
  where s.source = %(source)s and s.status in ('staged', 'approved'))
update products_staging as s
set status = 'superseded'
from replaced as r
where s.staging_id = r.staging_id and s.status in ('staged', 'approved')
