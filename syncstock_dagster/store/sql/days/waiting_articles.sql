-- Evidence in quarantine because nobody knows its article or location. Grain: article or location, and source.
select q.reason, q.kind, q.source, q.sku, q.location, count(*)::int as rows, min(q.created_at) as since
from quarantine as q
where q.state = 'waiting' and q.reason in ('unknown_sku', 'unknown_location')
group by q.reason, q.kind, q.source, q.sku, q.location
order by count(*) desc, q.sku, q.location
