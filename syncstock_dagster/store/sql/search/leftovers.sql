-- Indexes at a place that nobody uses; asked under the writers' lock, so none of them is being written.
select index_name
from search_indexes
where place = %(place)s and state <> 'current'
