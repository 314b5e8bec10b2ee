-- Articles that evidence names by an id the catalogue does not have, and SKUs whose source may create them.
-- Grain: article. In key order, so that two runs cannot wait for each other.
with named_ids as (
  select inventory_id from raw_movements where inventory_id is not null
  union
  select inventory_id from raw_counts where inventory_id is not null),
created_by_id as (
  insert into products (inventory_id, sku, is_placeholder)
  select n.inventory_id,
         case when exists (select from products as p where p.sku = n.inventory_id::text)
              then '#' || n.inventory_id else n.inventory_id::text end,
         true
  from named_ids as n
  where not exists (select from products as p where p.inventory_id = n.inventory_id)
  order by n.inventory_id
  on conflict do nothing),
named_skus as (
  select r.sku from raw_movements as r join run_sources as s on s.name = r.source and not s.of_counts
  where r.inventory_id is null and s.unknown_sku = 'create'
  union
  select r.sku from raw_counts as r join run_sources as s on s.name = r.source and s.of_counts
  where r.inventory_id is null and s.unknown_sku = 'create')
insert into products (sku, is_placeholder)
select n.sku, true
from named_skus as n
where n.sku is not null
  and not exists (select from products as p where p.sku = n.sku)
  and not exists (select from product_identifiers as i where i.identifier = n.sku)
order by n.sku
on conflict do nothing
