-- A mapping is used no longer; it stays on record. Grain: one mapping, or none.
update count_mappings
set forgotten_by = %(operation_id)s
where mapping_id = %(mapping_id)s and forgotten_by is null
