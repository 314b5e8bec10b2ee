-- What became of deletions; the whole variant is kept from before it goes. Grain: variant.
update shopify_deletions as d
set state = r.state, reason = coalesce(r.reason, d.reason), variant = coalesce(r.variant, d.variant),
    deleted_at = case when r.state = 'deleted' then %(now)s::timestamptz else d.deleted_at end,
    restored_as = coalesce(r.restored_as, d.restored_as)
from jsonb_to_recordset(%(rows)s::jsonb)
  as r (deletion_id bigint, state text, reason text, variant jsonb, restored_as text)
where d.deletion_id = r.deletion_id
