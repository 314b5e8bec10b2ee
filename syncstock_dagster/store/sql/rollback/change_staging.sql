-- Staged changes follow their commit, or where they never were committed, their staging. What their sources said is
-- withdrawn, or said again, with them: said once more, it is news. So do the conflicts that wait with them. Grain:
-- staged row.
with changed as (
  update products_staging as s
  set status = case
        when s.status in ('committed', 'staged', 'approved') then 'rolled_back'
        when s.commit_operation_id is not null then 'committed'
        else 'staged' end
  where (%(inventory_ids)s::bigint[] is null or s.source_product_id = any(%(inventory_ids)s::bigint[]))
    and ((s.status = 'committed' and s.commit_operation_id = %(target_id)s)
         or (s.is_open and s.sync_operation_id = %(target_id)s)
         or (s.status = 'rolled_back'
             and coalesce(s.commit_operation_id, s.sync_operation_id) in (
               select r.original_operation_id from sync_rollbacks as r
               where r.rollback_operation_id = %(target_id)s)))
  returning s.staging_id, s.source_product_id as inventory_id, s.source, s.status, s.remote, s.said_before,
            s.commit_operation_id),
asked as (
  update sync_conflicts as k
  set status = case c.status when 'staged' then 'open' else 'obsolete' end,
      resolved_at = case c.status when 'staged' then null else clock_timestamp() end
  from changed as c
  where k.staging_id = c.staging_id and k.status = case c.status when 'staged' then 'obsolete' else 'open' end),
said as (
  select c.inventory_id, c.source, e.key,
         case c.status when 'committed' then e.value else c.said_before -> 'remote' -> e.key end as remote,
         case c.status when 'committed' then e.value else c.said_before -> 'agreed' -> e.key end as agreed
  from changed as c
  join product_syncs as y on y.inventory_id = c.inventory_id and y.system = c.source
  cross join lateral jsonb_each(c.remote) as e
  where c.commit_operation_id is not null
    and e.value is distinct from c.said_before -> 'remote' -> e.key
    and y.remote -> e.key is not distinct from
        case c.status when 'committed' then c.said_before -> 'remote' -> e.key else e.value end),
patches as (
  select s.inventory_id, s.source, array_agg(s.key) as keys,
         coalesce(jsonb_object_agg(s.key, s.remote) filter (where s.remote is not null), '{}') as remote,
         coalesce(jsonb_object_agg(s.key, s.agreed) filter (where s.agreed is not null), '{}') as agreed
  from said as s
  group by s.inventory_id, s.source),
withdrawn as (
  update product_syncs as y
  set remote = y.remote - p.keys || p.remote, agreed = y.agreed - p.keys || p.agreed, synced_at = clock_timestamp()
  from patches as p
  where y.inventory_id = p.inventory_id and y.system = p.source)
select count(*) from changed
