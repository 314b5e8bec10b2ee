-- What the policy says: local or remote, or null where a person is asked. What was decided on the very same fact
-- before is decided. Newest and highest trust need to know when, and by whom, the local value was said. Grain:
-- conflict.
with local_words as (
  select k.position, k.conflict_type, k.field, v.change_source, v.recorded_at
  from run_catalogue_conflicts as k
  left join lateral (
    select o.change_source, o.recorded_at
    from product_versions as o
    where o.inventory_id = k.inventory_id and k.field = any(o.changed_fields)
    order by o.version_number desc
    limit 1) as v on true),
trust as (
  select t.source, t.rank
  from jsonb_array_elements_text(%(trust)s::jsonb) with ordinality as t (source, rank)),
judged as (
  select k.position, k.conflict_type, k.field,
         case
           when d.status = 'resolved' then d.chosen_side
           when k.strategy = 'local_wins' then 'local'
           when k.strategy = 'remote_wins' then 'remote'
           when k.conflict_type <> 'field_mismatch' then null
           when k.strategy = 'newest' then
             case when c.modified_at > w.recorded_at then 'remote' when c.modified_at <= w.recorded_at then 'local' end
           when k.strategy = 'highest_trust' then
             case when coalesce(r.rank, 1000000) < coalesce(l.rank, 1000000) then 'remote'
                  when coalesce(r.rank, 1000000) > coalesce(l.rank, 1000000) then 'local' end
         end as verdict,
         d.resolved_by
  from run_catalogue_conflicts as k
  join run_changes as c using (position)
  join local_words as w using (position, conflict_type, field)
  left join sync_conflicts as d on d.fact = k.fact
  left join trust as r on r.source = %(source)s
  left join trust as l on l.source = w.change_source)
update run_catalogue_conflicts as k
set verdict = j.verdict, decided_by = coalesce(j.resolved_by, 'policy')
from judged as j
where j.position = k.position and j.conflict_type = k.conflict_type and j.field = k.field and j.verdict is not null
