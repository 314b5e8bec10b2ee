-- Levels that differ from what the source said last, or whose count was withdrawn. One that is older than what is
-- known by now (another pull was faster) says nothing new. The article is the one that has the source's code, else the
-- one with the SKU. Grain: article and location.
insert into run_pulled_levels (position, code, location, sku, inventory_id, quantity, counted_at)
select row_number() over (order by p.code, p.location), p.code, p.location, coalesce(p.sku, p.code), i.inventory_id,
       p.quantity, p.counted_at
from pulled_levels as p
left join source_levels as k on k.source = %(source)s and k.code = p.code and k.location = p.location
left join deliveries as d on d.delivery_id = k.delivery_id
left join product_identifiers as i on i.system = %(source)s and i.identifier = p.code
where p.pull_id = %(pull_id)s
  and (k.code is null or d.state = 'withdrawn' or (k.quantity <> p.quantity and p.counted_at > k.counted_at))
