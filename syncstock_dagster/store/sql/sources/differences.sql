-- Changed levels against what is on hand here, the largest difference first. Grain: article and location. An article or
-- location that is not known here has no stock of ours, which is not zero.
select r.sku, r.location, trim_scale(s.on_hand) as ours, trim_scale(r.quantity) as theirs,
       trim_scale(r.quantity - s.on_hand) as difference, count(*) over () as in_all
from run_pulled_levels as r
left join products as b on b.sku = r.sku
left join locations as l on l.code = r.location
left join item_stock as s
  on s.inventory_id = coalesce(r.inventory_id, b.inventory_id) and s.location_id = l.location_id and s.events > 0
where s.on_hand is distinct from r.quantity
order by abs(r.quantity - s.on_hand) desc nulls first, r.sku, r.location
limit %(most)s
