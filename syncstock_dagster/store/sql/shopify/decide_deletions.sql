-- A person's word on deletions that wait. Grain: variant.
update shopify_deletions as d
set state = %(state)s, decided_because = %(reason)s, decided_by = %(who)s, decided_at = clock_timestamp()
where d.sync_id = %(sync_id)s and d.state = 'proposed'
  and (%(skus)s::text[] is null or d.sku = any(%(skus)s::text[]))
