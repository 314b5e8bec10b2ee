-- Held counts that somebody wants to be counted again, those that nobody has counted first. Grain: held count.
select w.count_id, w.inventory_id, p.sku, p.name, l.code as location, w.counted_at, w.counted, w.expected, w.reason,
       w.asked_by, w.asked_at, w.answered_by, n.quantity as counted_again, n.counted_at as counted_again_at
from recount_wishes as w
join locations as l using (location_id)
left join products as p using (inventory_id)
left join stock_counts as n on n.count_id = w.answered_by
where %(every)s or w.answered_by is null
order by w.answered_by is not null, w.asked_at, w.count_id
