-- Values that were sent out. An article's own fields are agreed on with that system from now on; stock that was sent
-- is dated. Grain: push.
with sent as (
  select r.inventory_id, l.location_id, r.what, r.before
  from jsonb_to_recordset(%(rows)s::jsonb) as r (inventory_id bigint, location text, what jsonb, before jsonb)
  left join locations as l on l.code = r.location),
agreed as (
  select s.inventory_id, jsonb_object_agg(f.key, f.value) as fields
  from sent as s
  join product_states as p using (inventory_id)
  cross join lateral jsonb_each(s.what) as f
  where p.state ? f.key
  group by s.inventory_id),
remembered as (
  insert into product_syncs as y (inventory_id, system, remote, agreed)
  select a.inventory_id, %(system)s, a.fields, a.fields
  from agreed as a
  order by a.inventory_id
  on conflict (inventory_id, system) do update
    set remote = y.remote || excluded.remote, agreed = y.agreed || excluded.agreed, synced_at = clock_timestamp()),
dated as (
  update products as p
  set stock_synced_at = case when s.has_stock then clock_timestamp() else p.stock_synced_at end,
      last_sync_version = p.version,
      last_synced = clock_timestamp()
  from (
    select x.inventory_id, bool_or(x.what ? 'on_hand' or x.what ? 'quantity') as has_stock
    from sent as x
    group by x.inventory_id) as s
  where p.inventory_id = s.inventory_id)
insert into sync_pushes (operation_id, system, inventory_id, location_id, what, before)
select %(operation_id)s, %(system)s, s.inventory_id, s.location_id, s.what, s.before
from sent as s
order by s.inventory_id, s.location_id
