-- The mapping in use for files of a source and a pattern of names. Grain: at most one row.
select columns, decimal_mark, confirmed_by, confirmed_at
from count_mappings
where source = %(source)s and pattern = %(pattern)s and forgotten_by is null
