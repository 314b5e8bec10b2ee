-- Locks taken or prolonged. Grain: article.
update products as p
set sync_locked = true, sync_locked_by = %(who)s,
    sync_locked_until = clock_timestamp() + %(minutes)s * interval '1 minute'
where p.inventory_id = any(%(inventory_ids)s::bigint[])
returning p.inventory_id, p.sku, p.sync_locked_by, p.sync_locked_until
