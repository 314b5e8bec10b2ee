-- What an index of vectors should hold. Grain: active article.
select document_id, words
from search_documents
order by inventory_id
