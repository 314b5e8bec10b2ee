-- Recounts of the touched articles that agree and are not settled yet, with the counts that are held: those that agree,
-- and those of people who found something else. Of touched articles only: their locks are held. Grain: recount and
-- article.
select s.recount_id, s.inventory_id,
       array(select c.count_id from stock_counts as c
             where c.count_id = any(s.count_ids) and c.decision = 'held' order by c.count_id) as agreeing,
       array(select c.count_id
             from recount_rounds as r
             join stock_counts as c on c.count_id = any(r.count_ids)
             where r.recount_id = s.recount_id and r.inventory_id = s.inventory_id
               and c.decision = 'held' and c.count_id <> all(s.count_ids)
             order by c.count_id) as others
from recount_lines as n
join recounts as x using (recount_id)
join run_pairs as p on p.inventory_id = n.inventory_id and p.location_id = x.location_id
join recount_status as s on s.recount_id = n.recount_id and s.inventory_id = n.inventory_id
where n.settled_by is null and n.cancelled_by is null and s.state = 'agreed'
order by s.recount_id, s.inventory_id
