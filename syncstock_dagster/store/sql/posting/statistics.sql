-- What this run did, for its result and its operation. Grain: one row.
with fates as (
  select x.state, exists (
           select from run_before as b
           where b.source_id = x.source_id and b.document_key = x.document_key and b.line_key = x.line_key
             and b.leg = x.leg) as is_known,
         exists (
           select from run_before as b
           where b.source_id = x.source_id and b.document_key = x.document_key and b.line_key = x.line_key
             and b.leg = x.leg
             and (b.inventory_id, b.location_id, b.effective_at, b.quantity)
                 = (x.inventory_id, x.location_id, x.effective_at, x.quantity)) as is_same
  from run_contested as c
  join run_movements as m using (source_id, document_key, line_key)
  join movements as x using (movement_id))
select
  (select count(*) from run_movements) - (select count(*) from fates)
    + (select count(*) from fates where state = 'in_force' and not is_known) as movements_new,
  (select count(*) from fates where state = 'duplicate' or (state = 'in_force' and is_same))
    as movements_duplicate,
  (select count(*) from fates where state = 'conflict') as movements_conflict,
  (select count(*) from run_before as b join movements as x using (movement_id)
   where x.state not in ('in_force', 'duplicate', 'withdrawn')) as movements_restated,
  (select count(*) from quarantine where operation_id = %(operation_id)s) as quarantined,
  (select count(*) from run_counts) as counts_new,
  (select count(*) from run_counts as c join stock_counts as x using (count_id)
   where x.decision = 'applied' and x.standing = 'in_force') as counts_applied,
  (select count(*) from run_verdicts where tier = 'review') as counts_review,
  (select count(*) from run_verdicts where tier in ('held', 'rule')) as counts_held,
  (select count(*) from run_counts as c join stock_counts as x using (count_id)
   where x.standing in ('superseded', 'agrees')) as counts_duplicate,
  (select count(*) from run_counts as c join stock_counts as x using (count_id)
   where x.standing = 'conflict') as counts_conflict,
  (select count(*) from run_counts where decision = 'advisory') as counts_advisory,
  (select count(*) from run_entries) as ledger_entries,
  (select count(distinct (inventory_id, location_id)) from run_entries) as articles,
  (select count(*) from restatements where operation_id = %(operation_id)s) as restatements
