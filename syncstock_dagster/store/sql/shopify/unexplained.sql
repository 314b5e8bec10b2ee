-- Variants that went without a reason, without having been stored whole, or with no one who decided. Grain: variant.
select s.name, d.sku, d.variant_id, d.reason, d.deleted_at
from shopify_deletions as d
join shopify_syncs as s using (sync_id)
where d.state = 'deleted'
  and (d.reason is null or d.variant is null
       or (d.decided_by is null and s.options ->> 'deletions' is distinct from 'automatic'))
order by d.deletion_id
