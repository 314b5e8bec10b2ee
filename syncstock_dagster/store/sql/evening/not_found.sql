-- Codes and locations of files that nobody knows, and articles that sheets of these days brought. Grain: one of them.
select case q.reason when 'unknown_sku' then 'unknown code' else 'unknown location' end as kind, q.sku,
       q.location, replace(replace(q.reason, '_sku', '_article'), '_', ' ') || ', from ' || q.source || ': ' || count(*)
         || ' row(s) wait' as told,
       min(q.created_at) as since, null as file
from quarantine as q
where q.state = 'waiting' and q.reason in ('unknown_sku', 'unknown_location')
group by q.sku, q.location, q.reason, q.source
union all
select 'new from a sheet', p.sku, null, 'entered from ' || f.name || '; complete its name and category', p.created_at, f.name
from products as p
cross join lateral (
  select d.name
  from stock_counts as c
  join deliveries as d using (delivery_id)
  join sources as s using (source_id)
  where c.inventory_id = p.inventory_id and s.name = any(%(sheet_sources)s)
  order by d.received_at, d.delivery_id
  limit 1) as f
where p.is_placeholder and p.created_at >= %(first)s::date - 1 and p.created_at < %(last)s::date + 2
  and (p.created_at at time zone %(timezone)s)::date between %(first)s::date and %(last)s::date
order by 1, 2, 3
