-- The article of each SKU in this run: the exact SKU, else the one article with that identifier, else the
-- one article whose SKU differs only by case or blanks around it. A source that may create articles never
-- folds: what it finds would depend on what came first.
-- Grain: SKU as delivered, and whether its source folds.
insert into run_skus
select wanted.sku, wanted.folds, coalesce(p.inventory_id, i.inventory_id, f.inventory_id)
from (
  select r.sku, s.unknown_sku = 'quarantine' as folds
  from raw_movements as r join run_sources as s on s.name = r.source and not s.of_counts
  where r.inventory_id is null and r.sku is not null
  union
  select r.sku, s.unknown_sku = 'quarantine'
  from raw_counts as r join run_sources as s on s.name = r.source and s.of_counts
  where r.inventory_id is null and r.sku is not null
) as wanted
left join products as p on p.sku = wanted.sku
left join lateral (
  select min(c.inventory_id) as inventory_id from product_identifiers as c
  where c.identifier = wanted.sku and p.inventory_id is null
  having count(distinct c.inventory_id) = 1
) as i on true
left join lateral (
  select min(c.inventory_id) as inventory_id from products as c
  where lower(btrim(c.sku)) = lower(btrim(wanted.sku)) and p.inventory_id is null and wanted.folds
  having count(*) = 1
) as f on true
