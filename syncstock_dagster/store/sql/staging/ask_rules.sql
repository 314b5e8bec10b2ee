-- Conflicts that a rule of the shop's own decides on. Grain: conflict.
select k.position, k.conflict_type, k.field, c.sku, k.local_value, k.remote_value, k.severity, k.strategy
from run_catalogue_conflicts as k
join run_changes as c using (position)
where k.strategy like '%:%' and k.verdict is null
order by k.strategy, k.position, k.field
