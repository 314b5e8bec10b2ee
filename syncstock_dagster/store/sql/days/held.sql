-- Counts that wait for a decision, of all days. Grain: count.
select c.count_id
from stock_counts as c
where c.decision = 'held' and c.withdrawn_by is null and c.standing = 'none'
