-- Locks given back. Grain: article.
update products as p
set sync_locked = false, sync_locked_by = null, sync_locked_until = null
where p.inventory_id = any(%(inventory_ids)s::bigint[]) and p.sync_locked
  and (p.sync_locked_by = %(who)s or %(force)s)
