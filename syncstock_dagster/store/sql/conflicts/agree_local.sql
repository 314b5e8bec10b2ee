-- The local side of a conflict won: what the source said is remembered, so that it is not asked about again.
-- Grain: article and source.
insert into product_syncs as y (inventory_id, system, remote, agreed)
select k.inventory_id, k.source, jsonb_build_object(k.field_name, k.remote_value -> 'value'),
       jsonb_build_object(k.field_name, coalesce(p.state -> k.field_name, 'null'))
from sync_conflicts as k
join product_states as p using (inventory_id)
where k.conflict_id = %(conflict_id)s and k.conflict_type = 'field_mismatch'
on conflict (inventory_id, system) do update
  set remote = y.remote || excluded.remote, agreed = y.agreed || excluded.agreed, synced_at = clock_timestamp()
