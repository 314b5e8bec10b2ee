-- Lines of orders that the staff's sheets do not show yet, or all of them with the count that closed each. What was
-- cancelled needs no update. Grain: line of an order.
select u.order_ref, u.inventory_id, p.sku, p.name, l.code as location, u.deducted, u.effective_at, u.placed_at,
       u.closed_by, c.counted_at as closed_at
from pending_excel_updates as u
join movements as m using (movement_id)
join locations as l on l.location_id = u.location_id
left join products as p on p.inventory_id = u.inventory_id
left join stock_counts as c on c.count_id = u.closed_by
where m.state = 'in_force' and (%(every)s or u.closed_by is null)
order by u.placed_at, u.order_ref, u.movement_id
