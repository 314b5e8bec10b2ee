-- Counts without a verdict, held ones without a recorded decision, and points that rest on a count that is not
-- applied. Grain: count.
select c.count_id, c.decision::text as decision, 'no decision is recorded' as what
from stock_counts as c
where c.decision = 'pending'
   or (c.decision in ('held', 'rejected') and c.standing = 'none' and c.withdrawn_by is null
       and not exists (select from decisions as x where x.count_id = c.count_id))
union all
select p.count_id, c.decision::text, 'in force without being applied'
from count_points as p
join stock_counts as c using (count_id)
where p.recorded_to = 'infinity' and (c.decision <> 'applied' or c.withdrawn_by is not null)
