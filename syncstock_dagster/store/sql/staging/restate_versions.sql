-- The versions of the others. Grain: article.
select record_product_versions(array_agg(distinct r.inventory_id))
from run_restated as r
