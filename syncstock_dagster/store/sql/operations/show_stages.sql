-- Where the time of an operation went. Grain: stage.
select s.stage, s.seconds, s.rows, s.calls, s.bytes, s.waited, round(s.rows_per_second, 1) as rows_per_second
from operation_stages as s
where s.operation_id = %(operation_id)s
order by s.position
