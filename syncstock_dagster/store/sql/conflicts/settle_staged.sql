-- A conflict of the catalogue is settled: of the staged change that waits for it, the local side drops the field (or
-- the whole change, where it is about which article it is), the remote side lets it go on. Grain: staged row.
with settled as (
  update sync_conflicts as k
  set chosen_side = %(side)s
  where k.conflict_id = %(conflict_id)s
  returning k.staging_id, k.field_name, k.local_value)
update products_staging as s
set change_data = case
      when %(side)s = 'local' then s.change_data - c.field_name
      when s.change_data ? c.field_name and c.local_value ? 'value'
        then jsonb_set(s.change_data, array[c.field_name, 'old'], coalesce(c.local_value -> 'value', 'null'))
      else s.change_data end,
    status = case when %(side)s = 'local' and (c.field_name = 'sku' or s.change_data - c.field_name = '{}')
                  then 'rejected' else s.status end,
    decided_by = %(who)s, decided_at = clock_timestamp(), decision_reason = %(reason)s,
    problem = null,
    has_conflicts = exists (
      select from sync_conflicts as o
      where o.staging_id = s.staging_id and o.status = 'open' and o.conflict_id <> %(conflict_id)s)
from settled as c
where s.staging_id = c.staging_id and s.is_open
returning s.staging_id
