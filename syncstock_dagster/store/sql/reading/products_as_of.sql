-- The catalogue as it was. Grain: article.
select distinct on (v.inventory_id)
       v.inventory_id, v.product_data ->> 'sku' as sku, v.version_number as version, v.product_data as state
from product_versions as v
where v.recorded_at <= %(known_at)s
order by v.inventory_id, v.version_number desc
