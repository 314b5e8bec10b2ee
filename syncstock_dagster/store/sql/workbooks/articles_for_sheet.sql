-- The articles of a count sheet: those ever stocked or moved at a location, or those of a list, with what the books say.
-- The ABC class is by outgoing quantity, at cost where it is known, of the last 365 days: A makes four fifths of it, B 95 in a hundred.
-- Grain: article.
with place as (
  select location_id from locations where code = %(location)s
), used as (
  select e.inventory_id, sum(-e.delta) as quantity
  from ledger_entries as e
  join place using (location_id)
  where e.delta < 0 and e.entry_type = 'movement' and e.effective_at > now() - interval '365 days'
  group by e.inventory_id
), here as (
  select p.inventory_id, p.sku, p.name, c.name as category, coalesce(s.on_hand, 0) as on_hand,
    coalesce(u.quantity * coalesce(p.cost, 1), 0) as used
  from products as p
  left join categories as c using (category_id)
  left join item_stock as s on s.inventory_id = p.inventory_id and s.location_id = (select location_id from place)
  left join used as u on u.inventory_id = p.inventory_id
  where p.is_active and (coalesce(s.events, 0) > 0 or %(skus)s::text[] is not null)
), classed as (
  select *,
    case
      when sum(used) over () = 0 then 'C'
      when coalesce(sum(used) over earlier, 0) < 0.80 * sum(used) over () then 'A'
      when coalesce(sum(used) over earlier, 0) < 0.95 * sum(used) over () then 'B'
      else 'C'
    end as abc
  from here
  window earlier as (order by used desc, sku rows between unbounded preceding and 1 preceding)
)
select sku, name, category, on_hand, abc
from classed
where (%(skus)s::text[] is null or sku = any(%(skus)s)) and (%(abc)s::text is null or abc = %(abc)s)
order by category nulls last, sku
