-- Articles take the new values of the fields that changed. What is described is no placeholder. Grain: article.
update products as p
set sku = case when d ? 'sku' then d -> 'sku' ->> 'new' else p.sku end,
    name = case when d ? 'name' then d -> 'name' ->> 'new' else p.name end,
    category_id = case when d ? 'category' then k.category_id else p.category_id end,
    price = case when d ? 'price' then (d -> 'price' ->> 'new')::numeric else p.price end,
    cost = case when d ? 'cost' then (d -> 'cost' ->> 'new')::numeric else p.cost end,
    unit = case when d ? 'unit' then d -> 'unit' ->> 'new' else p.unit end,
    style = case when d ? 'style' then d -> 'style' ->> 'new' else p.style end,
    is_active = case when d ? 'is_active' then (d -> 'is_active' ->> 'new')::boolean else p.is_active end,
    updated_at = clock_timestamp(),         -- codes and units may be all that changes
    last_sync_version = case when %(is_system)s
      then p.version + case when p.operation_id is distinct from %(operation_id)s then 1 else 0 end
      else p.last_sync_version end,
    last_synced = case when %(is_system)s then clock_timestamp() else p.last_synced end,
    is_placeholder = p.is_placeholder and d - 'is_active' = '{}'
from (
  select c.inventory_id, c.change_data as d, c.change_data -> 'category' ->> 'new' as category
  from run_commit as c
  join products as o using (inventory_id)
  where c.problem is null
    and case c.change_type when 'create' then o.is_placeholder else c.change_data <> '{}' end) as c
left join categories as k on k.name = c.category
where p.inventory_id = c.inventory_id
