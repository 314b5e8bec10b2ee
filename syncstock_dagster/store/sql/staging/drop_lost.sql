-- Fields that are no change: the local value stands, or won. An article whose identity lost is not changed at all.
-- Grain: change.
with lost as (
  select k.position, array_agg(k.field) as fields, bool_or(k.field = 'sku') as is_whole
  from run_catalogue_conflicts as k
  where k.verdict = 'local'
  group by k.position)
update run_changes as c
set change_data = case when l.is_whole then '{}' else s.change_data - s.standing - coalesce(l.fields, '{}') end
from run_changes as s
left join lost as l using (position)
where s.position = c.position and (s.standing <> '{}' or l.position is not null)
