-- What was sold most on a day. Grain: article.
with places as (
  select l.location_id, day_end(%(day)s::date - 1, l.timezone) as before,
         day_end(%(day)s::date, l.timezone) as ends,
         (select o.source_id from sources as o
          where o.name = 'orders' and (clock_timestamp() at time zone l.timezone)::date <= %(day)s::date) as orders_id
  from locations as l)
select p.sku, -sum(e.delta) as sold
from item_stock as s
join places as o using (location_id)
join ledger_entries as e
  on e.inventory_id = s.inventory_id and e.location_id = s.location_id
  and e.effective_at > o.before and (e.effective_at <= o.ends or e.source_id = o.orders_id)
  and e.reason in ('sale', 'return')
  and e.entry_type = 'movement'
join products as p on p.inventory_id = e.inventory_id
group by p.sku
having sum(e.delta) < 0
order by 2 desc, 1
limit 10
