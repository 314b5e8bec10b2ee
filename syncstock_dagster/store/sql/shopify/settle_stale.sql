-- Stale lines after another look: each is left for a reason, or planned anew from what the shop has by now. Grain: line.
with looked as (
  select r.*
  from jsonb_to_recordset(%(lines)s::jsonb) as r (write_id bigint, change_from int, quantity int, reason text)),
left_as_is as (
  update shopify_writes as w
  set state = case when l.quantity is null then 'skipped' else 'dropped' end, reason = l.reason
  from looked as l
  where w.write_id = l.write_id and w.state = 'stale'
  returning w.write_id)
insert into shopify_writes
  (sync_id, product_id, variant_id, item_id, sku, location, quantity_name, change_from, quantity, state, attempt, undoes)
select w.sync_id, w.product_id, w.variant_id, w.item_id, w.sku, w.location, w.quantity_name, l.change_from, l.quantity,
       'planned', w.attempt + 1, w.undoes
from looked as l
join shopify_writes as w using (write_id)
where l.quantity is not null
order by w.write_id
