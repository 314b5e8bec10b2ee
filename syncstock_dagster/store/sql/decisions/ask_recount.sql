-- Held counts that somebody wants to be counted again, with what they looked at. Grain: count.
insert into recount_requests (count_id, counted, expected, digest, reason, asked_by, operation_id)
select c.count_id, c.quantity, b.expected, count_digest(c.quantity, b.expected), %(reason)s, %(who)s, %(operation_id)s
from stock_counts as c
cross join lateral (
  select coalesce(sum(e.delta), 0) as expected
  from ledger_entries as e
  where e.inventory_id = c.inventory_id and e.location_id = c.location_id
    and (e.effective_at < c.counted_at or e.effective_at = c.counted_at and e.entry_type = 'movement')) as b
where c.count_id = any(%(count_ids)s::bigint[]) and c.decision = 'held' and c.withdrawn_by is null
order by c.count_id
