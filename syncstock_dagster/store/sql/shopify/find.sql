-- A run by the beginning of its uuid, by its name, or the newest one that is no rehearsal. Grain: run.
select s.sync_id, s.sync_uuid::text as sync_uuid, s.name, s.kind, s.state, s.is_dry_run, s.shop, s.tag, s.options,
       s.started_at, s.finished_at, s.report
from shopify_syncs as s
where (%(which)s::text is null and not s.is_dry_run) or s.name = %(which)s or starts_with(s.sync_uuid::text, %(which)s)
order by s.sync_id desc
limit 2
