-- A run is on record before it looks at anything. Grain: run.
insert into shopify_syncs (sync_uuid, name, kind, is_dry_run, shop, tag, options, started_at, operation_id)
values (%(uuid)s, %(name)s, %(kind)s, %(is_dry_run)s, %(shop)s, %(tag)s, %(options)s::jsonb, %(now)s, %(operation_id)s)
returning sync_id
