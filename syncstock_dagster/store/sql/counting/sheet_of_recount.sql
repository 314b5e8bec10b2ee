-- What the sheet of a recount lists: the lines for which somebody still has to count, and never what was counted. Grain:
-- recount; no row: there is no such.
select l.code as location, null::text as counter, true as is_blind,
       array(select s.inventory_id from recount_status as s
             where s.recount_id = r.recount_id and s.state in ('waiting', 'third') order by s.inventory_id) as inventory_ids
from recounts as r
join locations as l using (location_id)
where r.recount_id = %(number)s
