-- The index in use at a place. One row or none.
select index_name, embedding, documents, churn, fingerprint, finished_at, doubt
from search_indexes
where place = %(place)s and state = 'current'
