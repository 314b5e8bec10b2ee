-- The articles that pass the filters of a question, as many as would be few. Grain: article.
select d.document_id, d.inventory_id
from findable_products(%(category)s::text, %(location)s::text, %(in_stock)s) as p
join search_documents as d using (inventory_id)
limit %(most)s
