-- Counts that are not any more what somebody looked at, with what the books said then: one of the balances that were
-- ever known for that instant, or in a recorded verdict, has the digest. Null where none has. Grain: count.
select a.count_id, a.counted, a.expected, coalesce(known.expected, recorded.expected) as expected_then
from jsonb_to_recordset(%(digests)s::jsonb) as s (count_id bigint, digest text)
join run_asked as a using (count_id)
join stock_counts as c using (count_id)
left join lateral (
  select k.expected
  from (
    select sum(e.delta) over (order by e.recorded_at, e.entry_id) as expected
    from ledger_entries as e
    where e.inventory_id = c.inventory_id and e.location_id = c.location_id
      and (e.effective_at < c.counted_at or e.effective_at = c.counted_at and e.entry_type = 'movement')) as k
  where count_digest(a.counted, k.expected) = s.digest
  limit 1) as known on true
left join lateral (
  select x.expected from decisions as x
  where x.count_id = a.count_id and x.digest = s.digest
  limit 1) as recorded on true
where count_digest(a.counted, a.expected) <> s.digest
order by a.count_id
