-- The rollback is on record, with the state before it and a digest of what it changed. Grain: rollback.
insert into sync_rollbacks
  (original_operation_id, rollback_operation_id, rollback_type, is_asked_for, selection, reason, created_by,
   requested_by, backup_data, digest, result, status, done_at)
select %(original_id)s, %(operation_id)s, %(type)s, %(is_asked_for)s, %(selection)s::jsonb, %(reason)s, %(who)s,
       %(requested_by)s,
       case when %(is_asked_for)s then jsonb_build_object(
         'stock', (
           select jsonb_agg(jsonb_build_array(e.inventory_id, e.location_id, trim_scale(s.on_hand - e.delta)))
           from (
             select r.inventory_id, r.location_id, sum(r.delta) as delta
             from run_entries as r
             group by r.inventory_id, r.location_id) as e
           join item_stock as s using (inventory_id, location_id)),
         'products', (
           select jsonb_agg(jsonb_build_array(r.inventory_id, r.field, r.old)) from run_reversals as r)) else '{}' end,
       %(digest)s, %(result)s::jsonb, 'done', clock_timestamp()
