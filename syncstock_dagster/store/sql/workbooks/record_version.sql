-- A version of a count document, with its delivery. Grain: delivery.
insert into count_documents (delivery_id, document, modified_at, modified_by, lines)
values (%(delivery_id)s, %(document)s, %(modified_at)s, %(modified_by)s, %(lines)s)
