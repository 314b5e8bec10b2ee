-- The newest version of a document that was received and not withdrawn: by its own stamp, else the last received.
-- Grain: at most one row.
select d.delivery_id, d.name, v.modified_at, v.modified_by, v.lines
from count_documents as v
join deliveries as d using (delivery_id)
where v.document = %(document)s and d.state in ('received', 'posted')
order by v.modified_at desc nulls last, d.delivery_id desc
limit 1
