-- What a sheet and the books do not both know: articles that a complete sheet of these days does not list, codes that
-- nobody knows, and articles that sheets brought. Grain: one of them.
select x.kind, x.sku, x.location, x.told, x.since
from (
  select distinct on (1, 2, 3) 'not listed' as kind, split_part(e.error ->> 'found', ' is not counted', 1) as sku,
         split_part(e.error ->> 'found', ' at ', -1) as location, e.error ->> 'found' as told, d.received_at as since
  from deliveries as d
  cross join lateral jsonb_array_elements(d.errors) as e (error)
  where d.kind = 'counts' and d.state in ('received', 'posted')
    and e.error ->> 'expected' like 'each stocked article%%'
    and exists (
      select from delivery_days as y
      where y.delivery_id = d.delivery_id and y.day between %(first)s::date and %(last)s::date)
  order by 1, 2, 3, d.received_at desc) as x
union all
select 'unknown code', q.sku, q.location, q.reason || ', from ' || q.source || ': ' || count(*) || ' row(s) wait',
       min(q.created_at)
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
