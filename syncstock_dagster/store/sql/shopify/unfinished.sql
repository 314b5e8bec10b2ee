-- Runs of which something was begun and not ended, oldest first. Grain: run.
select s.sync_uuid::text as sync_uuid, s.state
from shopify_syncs as s
where s.shop = %(shop)s and s.kind = %(kind)s and not s.is_dry_run and s.state in ('discovering', 'applying')
order by s.sync_id
