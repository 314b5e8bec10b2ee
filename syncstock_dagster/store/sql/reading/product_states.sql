-- All that is known of articles, codes and units included. Grain: article.
select s.inventory_id, s.version, s.state, p.last_sync_version,
       p.sync_locked and p.sync_locked_until > clock_timestamp() as sync_locked,
       case when p.sync_locked_until > clock_timestamp() then p.sync_locked_by end as sync_locked_by,
       case when p.sync_locked_until > clock_timestamp() then p.sync_locked_until end as sync_locked_until,
       p.stock_synced_at, p.last_synced
from product_states as s
join products as p using (inventory_id)
where %(inventory_ids)s::bigint[] is null or s.inventory_id = any(%(inventory_ids)s::bigint[])
order by s.state ->> 'sku'
