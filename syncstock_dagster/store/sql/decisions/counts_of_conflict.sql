-- The counts to reject so that the chosen side of a disagreement stands: of the other groups at the instant,
-- or of the conflicting group. Grain: count.
select c.count_id
from sync_conflicts as k
join stock_counts as n using (count_id)
join stock_counts as c
  on (c.inventory_id, c.location_id, c.counted_at) = (n.inventory_id, n.location_id, n.counted_at)
where k.conflict_id = %(conflict_id)s and c.decision = 'applied' and c.withdrawn_by is null
  and ((c.source_id = n.source_id and c.session is not distinct from n.session) = (%(keep)s = 'old'))
order by c.count_id
