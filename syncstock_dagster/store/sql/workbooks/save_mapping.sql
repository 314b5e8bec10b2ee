-- A confirmed mapping takes the place of the one before, which stays on record. Grain: one mapping.
with replaced as (
  update count_mappings
  set forgotten_by = %(operation_id)s
  where source = %(source)s and pattern = %(pattern)s and forgotten_by is null
  returning mapping_id)
insert into count_mappings (source, pattern, columns, decimal_mark, confirmed_by, operation_id)
select %(source)s, %(pattern)s, %(columns)s, %(decimal_mark)s, %(who)s, %(operation_id)s
from (select count(*) from replaced) as done
