-- The version that the source agrees with. Grain: article.
update products as p
set last_sync_version = p.version, last_synced = clock_timestamp()
from run_commit as c
where c.problem is null and p.inventory_id = c.inventory_id
