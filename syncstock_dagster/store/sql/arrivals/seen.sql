-- What is known of files that lie in the drop folder as they were when they were last read. Grain: file.
select f.name, f.size, f.modified_at, f.delivery_id, d.state::text as state, f.error, d.errors
from drop_files as f
left join deliveries as d using (delivery_id)
where f.name = any(%(names)s::text[])
