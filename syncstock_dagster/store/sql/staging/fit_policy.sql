-- Staged rows of this operation that may commit themselves: small, of trusted fields, without conflict. Grain: row.
select s.staging_id
from run_stored as r
join products_staging as s using (staging_id)
where not s.has_conflicts
  and (select count(*) from run_stored) <= %(rows)s
  and (s.change_type <> 'delete' or %(deletes)s)
  and (s.change_type <> 'create' or %(creates)s)
  and (%(fields)s::text[] is null
       or not exists (
         select from jsonb_object_keys(s.change_data) as k (field)
         where split_part(k.field, '.', 1) <> all(%(fields)s::text[])))
order by s.staging_id
