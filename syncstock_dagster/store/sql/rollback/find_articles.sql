-- What an operation changed of articles and what would be taken back of it: each field to what it was before, unless
-- it is so already. A created article is not deleted, for evidence may name it: it becomes inactive; a placeholder only
-- where no other operation's evidence names it. A field that somebody has changed since depends on it. Grain: article
-- and field.
with made as (
  select v.inventory_id, v.version_number, v.product_data, b.product_data as before,
         case when b.inventory_id is null then array['is_active'] else v.changed_fields end as fields,
         b.inventory_id is null as is_creation
  from product_versions as v
  left join product_versions as b on b.inventory_id = v.inventory_id and b.version_number = v.version_number - 1
  where v.operation_id = %(requested_id)s
    and (%(inventory_ids)s::bigint[] is null or v.inventory_id = any(%(inventory_ids)s::bigint[]))),
changes as (
  select m.inventory_id, m.version_number, f.field, s.state -> f.field as old,
         case when m.is_creation then 'false'::jsonb else m.before -> f.field end as new,
         s.state -> f.field is distinct from m.product_data -> f.field
         or m.is_creation and exists (
           select from product_versions as l
           where l.inventory_id = m.inventory_id and l.version_number > m.version_number
             and l.operation_id is distinct from %(requested_id)s
             and l.changed_fields <> array['is_active']) as has_moved,
         m.is_creation
  from made as m
  join product_states as s using (inventory_id)
  cross join lateral unnest(m.fields) as f (field)
  where f.field <> 'is_placeholder'
    and not (m.is_creation and m.product_data ? 'is_placeholder' and (
      exists (
        select from stock_counts as e
        join deliveries as d using (delivery_id)
        where e.inventory_id = m.inventory_id and e.withdrawn_by is null and d.operation_id <> %(requested_id)s)
      or exists (
        select from ledger_entries as e
        join movements as v using (movement_id)
        join deliveries as d using (delivery_id)
        where e.inventory_id = m.inventory_id and v.state = 'in_force' and d.operation_id <> %(requested_id)s))))
insert into run_reversals (inventory_id, field, old, new, dependents)
select c.inventory_id, c.field, c.old, c.new,
       case when c.has_moved then array(
         select distinct o.operation_uuid::text
         from product_versions as l
         join sync_operations as o using (operation_id)
         where l.inventory_id = c.inventory_id and l.version_number > c.version_number
           and l.operation_id <> %(requested_id)s and (c.is_creation or c.field = any(l.changed_fields))) else '{}' end
from changes as c
where c.old is distinct from c.new
