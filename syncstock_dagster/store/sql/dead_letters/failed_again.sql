-- What failed in a replay: the letter itself once more, since its transaction began, or another one. Grain: at most one
-- row.
select d.reason
from dead_letters as d
where d.operation_id = %(operation_id)s
   or (d.dead_letter_id = %(dead_letter_id)s and d.last_failed_at >= now())
limit 1
