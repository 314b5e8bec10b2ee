-- Critical: stocked articles that the last sheet of a source that should list everything does not name. Of each
-- source and location the sheet counted last; an article that was counted since, by whomever, is there. Its stock stays
-- as it is: missing is not zero. Grain: article, location, source.
with last_sheets as (
  select distinct on (c.source_id, c.location_id)
         c.source_id, c.location_id, c.delivery_id, c.counted_at, d.name as file, d.created_by as delivered_by
  from stock_counts as c
  join deliveries as d using (delivery_id)
  join sources as s using (source_id)
  where s.name = any(%(sources)s::text[]) and c.withdrawn_by is null and c.decision <> 'advisory'
  order by c.source_id, c.location_id, c.counted_at desc, d.received_at desc, c.delivery_id desc)
select k.inventory_id, p.sku, p.name, l.code as location, k.on_hand, k.on_hand * unit_value(p.cost, p.price) as value,
       s.name as source, x.file, x.counted_at, x.delivered_by
from last_sheets as x
join item_stock as k on k.location_id = x.location_id and k.on_hand <> 0
join locations as l on l.location_id = x.location_id
join sources as s on s.source_id = x.source_id
left join products as p on p.inventory_id = k.inventory_id
where not exists (
    select from stock_counts as c
    where c.inventory_id = k.inventory_id and c.location_id = k.location_id and c.withdrawn_by is null
      and (c.delivery_id = x.delivery_id or c.counted_at > x.counted_at))
  and (%(first)s::date is null
       or (x.counted_at at time zone l.timezone)::date between %(first)s::date and %(last)s::date)
order by abs(k.on_hand) desc, p.sku
