-- Codes and locations of files that nobody knows, and articles that sheets of these days brought. Grain: one of them.
select case q.reason when 'unknown_sku' then 'unknown code' else 'unknown location' end as kind, q.sku,
       q.location, replace(replace(q.reason, '_sku', '_article'), '_', ' ') || ', from ' || q.source || ': ' || count(*)
         || ' row(s) wait' as told,
       min(q.created_at) as since
from quarantine as q
where q.state = 'waiting' and q.reason in ('unknown_sku', 'unknown_location')
group by q.sku, q.location, q.reason, q.source
union all
select 'new from a sheet', p.sku, null, 'entered from a sheet; complete its name and category', p.created_at
from products as p
where p.is_placeholder and p.created_at >= %(first)s::date - 1 and p.created_at < %(last)s::date + 2
  and (p.created_at at time zone %(timezone)s)::date between %(first)s::date and %(last)s::date
  and exists (
    select from stock_counts as c
    join sources as s using (source_id)
    where c.inventory_id = p.inventory_id and s.name = any(%(sheet_sources)s))
order by 1, 2, 3
