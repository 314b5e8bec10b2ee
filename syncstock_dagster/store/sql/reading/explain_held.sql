-- Counts of an article that wait for a person, each with what the book says at its instant. Grain: count.
select l.code as location, c.count_id, c.counted_at, c.quantity as counted, b.expected,
       c.quantity - b.expected as variance, s.name as source, v.reason, c.remark as remarks,
       case when w.answered_by is null then w.asked_by end as recount_asked_by
from stock_counts as c
join locations as l using (location_id)
join sources as s using (source_id)
cross join lateral (
  select coalesce(sum(e.delta) filter (
           where e.effective_at < c.counted_at or e.entry_type = 'movement'), 0) as expected
  from ledger_entries as e
  where e.inventory_id = c.inventory_id and e.location_id = c.location_id and e.effective_at <= c.counted_at) as b
left join lateral (
  select x.reason from decisions as x
  where x.count_id = c.count_id
  order by x.decision_id desc
  limit 1) as v on true
left join recount_wishes as w on w.count_id = c.count_id
where c.inventory_id = %(inventory_id)s and c.decision = 'held' and c.standing = 'none' and c.withdrawn_by is null
  and (%(location)s::text is null or l.code = %(location)s::text)
order by l.code, c.counted_at, c.count_id
