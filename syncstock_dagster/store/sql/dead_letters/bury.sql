-- What failed for good, once per fact; the same again is another attempt. One that was settled stays settled,
-- but a replayed one that fails again waits again. Grain: letter.
insert into dead_letters as d
  (fact, source, kind, payload, original_payload, reason, attempts, operation_id, delivery_id)
select distinct on (f.fact)
       f.fact, %(source)s, %(kind)s, r.payload, r.payload, r.reason, %(attempts)s, %(operation_id)s, %(delivery_id)s
from jsonb_to_recordset(%(rows)s::jsonb) as r (payload jsonb, reason text)
cross join lateral (
  select md5(jsonb_build_array(%(source)s::text, %(kind)s::text, r.payload)::text) as fact) as f
order by f.fact
on conflict (fact) do update
  set attempts = d.attempts + excluded.attempts, last_failed_at = clock_timestamp(), reason = excluded.reason,
      state = case when d.state = 'replayed' then 'waiting' else d.state end
returning d.first_failed_at = d.last_failed_at
