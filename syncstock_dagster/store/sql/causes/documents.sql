-- A document of just that quantity: one that is not in force (in conflict, in quarantine, withdrawn), one that may have
-- been entered twice, or one whose goods never came or went. Of many such documents none says anything.
-- Grain: count and cause, the best document.
insert into cause_findings
with booked as (
  select a.count_id, a.variance, m.movement_id, m.document_key, m.reason, m.effective_at, m.source_id, m.state,
         a.inventory_id, a.location_id, a.timezone
  from cause_counts as a
  join ledger_entries as e on e.inventory_id = a.inventory_id and e.location_id = a.location_id
    and e.effective_at > greatest(a.previous_at, a.counted_at - interval '60 days') and e.effective_at <= a.counted_at
    and e.entry_type = 'movement' and e.events = 1 and abs(e.delta) = abs(a.variance)
  join movements as m on m.movement_id = e.movement_id
  where (m.state = 'in_force' and m.quantity = -a.variance) or (m.state = 'withdrawn' and m.quantity = a.variance)),
counted as (
  select b.*, count(*) over (partition by b.count_id, b.state) as fitting,
         max(b.effective_at) over same as last_at, min(b.effective_at) over same as first_at, count(*) over same as alike
  from booked as b
  window same as (partition by b.count_id, b.state, b.reason)),
documents as (
  select c.count_id,
         case when c.state = 'withdrawn' then 'document_withdrawn'
              when c.alike = 2 and c.last_at - c.first_at <= interval '3 days' then 'document_twice'
              else 'document_alone' end as cause,
         c.document_key, c.reason, c.effective_at, c.timezone, c.source_id, c.fitting
  from counted as c
  where c.fitting <= 3),
contested as (
  select a.count_id, m.document_key, m.reason, m.effective_at, a.timezone, m.source_id
  from cause_counts as a
  join sync_conflicts as k on k.inventory_id = a.inventory_id and k.status = 'open'
    and k.conflict_type = 'exists_with_different_content'
  join movements as m on m.movement_id = k.movement_id
  left join movements as f on (f.source_id, f.document_key, f.line_key, f.leg)
    = (m.source_id, m.document_key, m.line_key, m.leg) and f.state = 'in_force'
  where a.variance
        = case when m.inventory_id = a.inventory_id and m.location_id = a.location_id and m.effective_at <= a.counted_at
                 and m.effective_at > coalesce(a.previous_at, '-infinity') then m.quantity else 0 end
        - case when f.inventory_id = a.inventory_id and f.location_id = a.location_id and f.effective_at <= a.counted_at
                 and f.effective_at > coalesce(a.previous_at, '-infinity') then f.quantity else 0 end),
waiting as (
  select a.count_id, q.source, q.reason, q.payload ->> 'document' as document, q.quarantine_id
  from cause_counts as a
  cross join lateral (values (a.sku), (a.inventory_id::text)) as called (sku)
  join quarantine as q on q.sku = called.sku and q.state = 'waiting' and q.kind = 'movement'
  where (q.payload ->> 'quantity')::numeric = a.variance)
select distinct on (d.count_id, d.cause) d.count_id, d.cause,
       round(case d.cause when 'document_withdrawn' then 0.6 when 'document_twice' then 0.75 else 0.5 end
             / (0.7 + 0.3 * case d.cause when 'document_twice' then 1 else d.fitting end), 3),
       jsonb_build_object(
         'document', case when d.document_key like ':%' then substr(d.document_key, 2) end, 'reason', d.reason,
         'source', s.name, 'fitting', d.fitting,
         'effective_at', to_char(d.effective_at at time zone d.timezone, 'YYYY-MM-DD HH24:MI'))
from documents as d
join sources as s using (source_id)
union all
select distinct on (c.count_id) c.count_id, 'document_in_conflict', 0.9,
       jsonb_build_object(
         'document', substr(c.document_key, 2), 'reason', c.reason, 'source', s.name,
         'effective_at', to_char(c.effective_at at time zone c.timezone, 'YYYY-MM-DD HH24:MI'))
from contested as c
join sources as s using (source_id)
union all
select distinct on (w.count_id) w.count_id, 'document_in_quarantine', 0.85,
       jsonb_build_object(
         'document', w.document, 'source', w.source, 'waits_for', w.reason, 'quarantine_id', w.quarantine_id)
from waiting as w
