-- The mappings in use. Grain: mapping.
select mapping_id, source, pattern, columns, decimal_mark, confirmed_by, confirmed_at
from count_mappings
where forgotten_by is null
order by source, pattern
