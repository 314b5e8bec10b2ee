-- Staged changes follow their commit, or where they never were committed, their staging. Grain: staged row.
update products_staging as s
set status = case
      when s.status in ('committed', 'staged', 'approved') then 'rolled_back'
      when s.commit_operation_id is not null then 'committed'
      else 'staged' end
where (%(inventory_ids)s::bigint[] is null or s.source_product_id = any(%(inventory_ids)s::bigint[]))
  and ((s.status = 'committed' and s.commit_operation_id = %(target_id)s)
       or (s.status in ('staged', 'approved') and s.sync_operation_id = %(target_id)s)
       or (s.status = 'rolled_back'
           and coalesce(s.commit_operation_id, s.sync_operation_id) in (
             select r.original_operation_id from sync_rollbacks as r
             where r.rollback_operation_id = %(target_id)s)))
