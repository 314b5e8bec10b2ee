-- Files that lie in the drop folder as they were refused, with the first thing that is wrong. Grain: file.
select r.name as file, r.version, r.since, e.value ->> 'sheet' as sheet, e.value ->> 'row' as row,
       e.value ->> 'column' as "column", e.value ->> 'found' as found, e.value ->> 'expected' as expected,
       e.value ->> 'remedy' as remedy, jsonb_array_length(r.errors) as errors
from (
  select f.name, f.size || ' ' || coalesce(f.modified_at::text, '') as version, f.read_at as since, coalesce(f.error, d.errors) as errors
  from drop_files as f
  left join deliveries as d using (delivery_id)
  where f.delivery_id is null or d.state = 'rejected') as r
cross join lateral (select r.errors -> 0 as value) as e
order by r.since desc, r.name
