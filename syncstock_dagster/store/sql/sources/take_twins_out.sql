-- Levels of SKUs that are not known here as they are written and would be looked past to an article whose SKU differs by
-- case or blanks only, although the source has another article that is called so: which of them is ours is not known.
-- They are taken out. Grain: article and location.
with written as (
  select coalesce(p.sku, p.code) as sku from pulled_levels as p where p.pull_id = %(pull_id)s
  union
  select k.sku from source_items as k where k.source = %(source)s and k.gone_at is null and k.sku is not null
  union
  select k.sku from source_levels as k where k.source = %(source)s and k.sku is not null)
delete from pulled_levels as p
using products as ours
where p.pull_id = %(pull_id)s
  and lower(btrim(ours.sku)) = lower(btrim(coalesce(p.sku, p.code)))
  and not exists (select from products as x where x.sku = coalesce(p.sku, p.code))
  and not exists (
    select from product_identifiers as i where i.system = %(source)s and i.identifier = p.code)
  and exists (
    select from written as w
    where lower(btrim(w.sku)) = lower(btrim(ours.sku)) and w.sku <> coalesce(p.sku, p.code))
returning p.code, p.location, coalesce(p.sku, p.code), ours.sku, p.quantity::text
