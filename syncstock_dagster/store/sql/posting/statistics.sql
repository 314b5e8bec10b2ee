-- What this run did, for its result and its operation. Grain: one row.
with fates as (
  select x.state,
         exists (
           select from run_before as b
           where b.source_id = x.source_id and b.document_key = x.document_key and b.line_key = x.line_key
             and b.leg = x.leg) as is_known,
         exists (
           select from run_before as b
           where b.source_id = x.source_id and b.document_key = x.document_key and b.line_key = x.line_key
             and b.leg = x.leg
             and (b.inventory_id, b.location_id, b.effective_at, b.quantity)
                 = (x.inventory_id, x.location_id, x.effective_at, x.quantity)) as is_same
  from run_contenders as c
  join run_movements as m using (movement_id)
  join movements as x using (movement_id)),
movement_numbers as (
  select count(*) filter (where state <> 'in_force' or is_known) as not_new,
         count(*) filter (where state = 'duplicate' or (state = 'in_force' and is_same)) as duplicate,
         count(*) filter (where state = 'conflict') as conflict
  from fates),
count_numbers as (
  select count(*) as new,
         count(*) filter (where x.decision = 'applied' and x.standing = 'in_force') as applied,
         count(*) filter (where x.standing in ('superseded', 'agrees')) as duplicate,
         count(*) filter (where x.standing = 'conflict') as conflict,
         count(*) filter (where x.decision = 'advisory') as advisory,
         count(*) filter (where x.decision = 'listed') as listed
  from run_counts as c
  join stock_counts as x using (count_id)),
verdict_numbers as (
  select count(*) filter (where tier = 'review') as review,
         count(*) filter (where tier in ('held', 'critical', 'rule')) as held
  from run_verdicts)
select
  (select count(*) from run_movements) + %(express_rows)s - m.not_new as movements_new,
  m.duplicate as movements_duplicate,
  m.conflict as movements_conflict,
  (select count(*) from run_before as b join movements as x using (movement_id)
   where x.state not in ('in_force', 'duplicate', 'withdrawn')) as movements_restated,
  (select count(*) from quarantine where operation_id = %(operation_id)s) as quarantined,
  c.new as counts_new, c.applied as counts_applied, v.review as counts_review, v.held as counts_held,
  c.duplicate as counts_duplicate, c.conflict as counts_conflict, c.advisory as counts_advisory,
  c.listed as counts_listed,
  %(ledger_entries)s as ledger_entries,
  (select count(*) from (select distinct inventory_id, location_id from run_day_deltas) as p) as articles,
  (select count(*) from restatements where operation_id = %(operation_id)s) as restatements
from movement_numbers as m, count_numbers as c, verdict_numbers as v
