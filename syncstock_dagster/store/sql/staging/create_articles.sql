-- Articles that were not there; a placeholder of the SKU that came meanwhile is described below. One that somebody has
-- described meanwhile stops the commit, which tries again and finds it. Grain: article.
insert into products
  (inventory_id, sku, name, category_id, price, cost, unit, style, is_active, last_sync_version, last_synced)
select c.inventory_id, c.sku, c.change_data -> 'name' ->> 'new', k.category_id,
       (c.change_data -> 'price' ->> 'new')::numeric, (c.change_data -> 'cost' ->> 'new')::numeric,
       coalesce(c.change_data -> 'unit' ->> 'new', 'each'), c.change_data -> 'style' ->> 'new',
       coalesce((c.change_data -> 'is_active' ->> 'new')::boolean, true),
       case when %(is_system)s then 1 end, case when %(is_system)s then clock_timestamp() end
from run_commit as c
left join categories as k on k.name = c.change_data -> 'category' ->> 'new'
where c.problem is null and c.change_type = 'create'
  and not exists (select from products as p where p.sku = c.sku and p.is_placeholder)
order by c.sku
