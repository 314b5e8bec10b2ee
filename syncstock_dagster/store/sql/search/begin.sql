-- An index is on record before anything of it exists, so that what a killed writer leaves behind is known.
insert into search_indexes (index_name, place, embedding, state)
values (%(index_name)s, %(place)s, %(embedding)s, 'building')
