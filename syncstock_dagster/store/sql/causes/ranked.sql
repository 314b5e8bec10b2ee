-- The candidates, the likeliest of each count first. Grain: count and cause.
select count_id, cause, row_number() over (partition by count_id order by score desc, cause)::int as rank, score, details
from cause_findings
order by count_id, rank
