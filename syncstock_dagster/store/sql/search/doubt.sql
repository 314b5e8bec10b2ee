-- Somebody found an index wrong: the next update builds it anew. The first doubt stays.
update search_indexes
set doubt = %(doubt)s
where index_name = %(index_name)s and doubt is null
