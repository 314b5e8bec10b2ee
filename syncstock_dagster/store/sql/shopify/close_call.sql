-- What a call came to, and with it each of its lines. Grain: call.
with answered as (
  update shopify_calls
  set state = %(state)s, answer = %(answer)s::jsonb, answered_at = %(now)s
  where call_key = %(key)s)
update shopify_writes as w
set state = r.state, reason = r.reason, attempt = w.attempt + coalesce(r.again, 0),
    done_at = case when r.state = 'done' then %(now)s::timestamptz end
from jsonb_to_recordset(%(lines)s::jsonb) as r (write_id bigint, state text, reason text, again int)
where w.write_id = r.write_id and w.call_key = %(key)s and w.state = 'sent'
