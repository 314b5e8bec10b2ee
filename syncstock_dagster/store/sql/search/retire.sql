-- The index in use at a place gives way, in the transaction that makes another one current. Grain: index.
update search_indexes
set state = 'retired'
where place = %(place)s and state = 'current' and index_name <> %(index_name)s
