-- Contents that are not applied become conflicts, once per fact; those that no longer stand are obsolete.
-- Grain: identity and content.
with contents as (
  select m.source_id, m.document_key, m.line_key, m.delivery_id, m.position, m.state,
         min(m.movement_id) as movement_id, min(m.inventory_id) as inventory_id,
         min(m.location_id) as location_id,
         jsonb_agg(jsonb_build_object(
           'inventory_id', m.inventory_id, 'location_id', m.location_id, 'quantity', trim_scale(m.quantity),
           'effective_at', m.effective_at, 'reason', m.reason) order by m.leg) as content
  from run_contenders as c
  join movements as m using (movement_id)
  where m.state in ('in_force', 'conflict')
  group by m.source_id, m.document_key, m.line_key, m.delivery_id, m.position, m.state),
facts as (
  select distinct on (fact) fact, n.*, w.content as local_value
  from contents as n
  join contents as w using (source_id, document_key, line_key)
  cross join lateral (
    select 'movement ' || md5(jsonb_build_array(
      n.source_id, n.document_key, n.line_key, n.content)::text) as fact) as f
  where n.state = 'conflict' and w.state = 'in_force'
  order by fact, n.movement_id),
obsolete as (
  update sync_conflicts as k
  set status = 'obsolete', resolved_at = clock_timestamp()
  from run_contenders as c
  where k.status = 'open' and c.movement_id = k.movement_id
    and not exists (
      select from facts as f where f.fact = k.fact))
insert into sync_conflicts
  (sync_operation_id, conflict_type, fact, inventory_id, location_id, source, document, line,
   local_value, remote_value, severity, movement_id)
select %(operation_id)s, 'exists_with_different_content', f.fact, f.inventory_id, f.location_id, s.name,
       substr(f.document_key, 2), case when f.line_key like ':%%' then substr(f.line_key, 2) end,
       f.local_value, f.content, 'medium', f.movement_id
from facts as f
join sources as s using (source_id)
order by f.fact
on conflict (fact) do update
  set status = 'open', resolved_at = null, movement_id = excluded.movement_id,
      local_value = excluded.local_value
  where sync_conflicts.status = 'obsolete'
    -- What is in force has changed since: whoever decides must see against what.
    or (sync_conflicts.status = 'open' and sync_conflicts.local_value <> excluded.local_value)
