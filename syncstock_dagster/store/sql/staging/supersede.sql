-- What a source staged for an article before and nobody committed is replaced by what it says now. Grain: staged row.
update products_staging as s
set status = 'superseded'
from run_changes as c
where s.source = %(source)s and s.sku = c.sku and s.status in ('staged', 'approved')
