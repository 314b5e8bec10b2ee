-- What the sheet of a plan lists: the lines that nobody has counted or given up. Grain: plan; no row: there is no such.
select l.code as location, p.counter, p.is_blind,
       array(select s.inventory_id from count_plan_status as s
             where s.plan_id = p.plan_id and s.status = 'planned' order by s.inventory_id) as inventory_ids
from count_plans as p
join locations as l using (location_id)
where p.plan_id = %(number)s
