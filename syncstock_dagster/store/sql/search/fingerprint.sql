-- The catalogue as search sees it, in one text: equal where every document is. One row.
select encode(sha256(convert_to(coalesce(string_agg(document_id, ',' order by inventory_id), ''), 'UTF8')), 'hex')
from search_documents
