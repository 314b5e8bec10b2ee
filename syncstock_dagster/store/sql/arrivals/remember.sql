-- A file was read: what it became, or why it could not be taken in. Grain: file.
insert into drop_files (name, size, modified_at, delivery_id, error)
values (%(name)s, %(size)s, %(modified_at)s, %(delivery_id)s, %(error)s::jsonb)
on conflict (name) do update
set size = excluded.size, modified_at = excluded.modified_at, delivery_id = excluded.delivery_id,
    error = excluded.error, read_at = clock_timestamp()
