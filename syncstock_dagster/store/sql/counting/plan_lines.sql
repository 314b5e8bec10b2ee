-- The lines of plans, with what became of them. Nothing in it says what the books expect. Grain: plan and article.
select s.plan_id, s.day, l.code as location, s.counter, p.sku, s.inventory_id, p.name, g.name as category, s.abc,
       s.priority, s.why, s.last_counted_at, s.status, s.skipped_because, s.count_id, s.counted_at, s.counted_by
from count_plan_status as s
join locations as l using (location_id)
left join products as p using (inventory_id)
left join categories as g using (category_id)
where s.plan_id = any(%(plan_ids)s)
order by s.plan_id, s.priority
