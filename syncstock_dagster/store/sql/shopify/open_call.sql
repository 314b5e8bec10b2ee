-- A call is stored, with its key and all that it says, before it is sent. Grain: call.
with called as (
  insert into shopify_calls (call_key, sync_id, purpose, input, stored_at)
  values (%(key)s, %(sync_id)s, %(purpose)s, %(input)s::jsonb, %(now)s))
update shopify_writes as w
set state = 'sent', call_key = %(key)s, position = r.position - 1
from unnest(%(lines)s::bigint[]) with ordinality as r (write_id, position)
where w.write_id = r.write_id and w.state = 'planned'
