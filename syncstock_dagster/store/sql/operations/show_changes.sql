-- What an operation changed in the catalogue; the first hundred articles. Grain: article.
select v.inventory_id, v.product_data ->> 'sku' as sku, v.change_type, v.version_number as version,
       v.changed_fields, v.change_source
from product_versions as v
where v.operation_id = %(operation_id)s
order by v.inventory_id
limit 100
