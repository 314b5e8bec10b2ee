-- What files brought for each day, whatever became of their rows later. Grain: day and source.
select x.day, d.source, count(*)::int as files, sum(x.row_count)::int as row_count
from delivery_days as x
join deliveries as d using (delivery_id)
where d.kind = %(kind)s and d.state in ('received', 'posted')
  and x.day between %(first)s::date and %(last)s::date
group by x.day, d.source
order by x.day, d.source
