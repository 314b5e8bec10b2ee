-- A line is no count where it says what the version before said; nor where it differs from the books only by what
-- has not been written off yet: it says what the books said at some moment since that version, or lacks all that went
-- out since. Others are counts, which the gate judges. Grain: count.
with judged as (
  select l.count_ids,
         l.quantity = l.previous_quantity
         or l.quantity <> b.book and exists (
           select
           from (
             select sum(sum(e.delta)) over younger as moved,
                    sum(sum(e.delta) filter (where e.delta < 0 and e.entry_type = 'movement')) over younger as moved_out,
                    row_number() over (order by e.effective_at) = 1 as is_all
             from ledger_entries as e
             where e.inventory_id = l.inventory_id and e.location_id = l.location_id
               and e.effective_at > l.previous_at and e.effective_at <= l.counted_at
             group by e.effective_at
             window younger as (order by e.effective_at desc)) as since
           where l.quantity = b.book - since.moved or (since.is_all and l.quantity = b.book - since.moved_out)
         ) as is_listed
  from run_list_lines as l
  join run_books as b using (inventory_id, location_id, counted_at))
update stock_counts as c
set decision = case when j.is_listed then 'listed' else 'held' end::count_decision
from judged as j
cross join lateral unnest(j.count_ids) as x (count_id)
where c.count_id = x.count_id
  and c.decision <> case when j.is_listed then 'listed' else 'held' end::count_decision
  and (j.is_listed or c.decision = 'listed')
