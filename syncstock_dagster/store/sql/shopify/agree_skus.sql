-- Where the shop says the SKU that an article has, both agree on it: a renaming here is known as ours. Grain: article.
insert into product_syncs as y (inventory_id, system, remote, agreed)
select p.inventory_id, %(system)s, jsonb_build_object('sku', p.sku), jsonb_build_object('sku', p.sku)
from jsonb_to_recordset(%(rows)s::jsonb) as r (variant_id text, sku text)
join product_identifiers as i on i.system = %(system)s and i.identifier = r.variant_id
join products as p on p.inventory_id = i.inventory_id and p.sku = r.sku
order by p.inventory_id
on conflict (inventory_id, system) do update
  set remote = y.remote || excluded.remote, agreed = y.agreed || excluded.agreed
