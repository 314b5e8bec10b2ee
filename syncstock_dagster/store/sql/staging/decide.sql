-- A person's yes or no to staged rows, how many they are, and which are rejected. Grain: staged row; in one row.
with decided as (
  update products_staging as s
  set status = %(decision)s, decided_by = %(who)s, decided_at = clock_timestamp(), decision_reason = %(reason)s
  where s.is_open
    and (%(staging_ids)s::bigint[] is null or s.staging_id = any(%(staging_ids)s::bigint[]))
    and (%(uuid)s::text is null
         or s.sync_operation_id = (select o.operation_id from sync_operations as o
                                   where o.operation_uuid::text = %(uuid)s::text))
  returning s.staging_id)
select count(*), array_agg(d.staging_id) filter (where %(decision)s = 'rejected')
from decided as d
