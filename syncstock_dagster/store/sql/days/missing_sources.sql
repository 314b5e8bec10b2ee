-- Sources that had rows on the same weekday in each of the four weeks before a day, and whether they have any on it.
-- Grain: source.
select e.source, exists (
         select from delivery_days as x
         join deliveries as d using (delivery_id)
         where d.kind = %(kind)s and d.source = e.source and d.state in ('received', 'posted')
           and x.day = %(day)s::date) as is_there
from (
  select d.source
  from delivery_days as x
  join deliveries as d using (delivery_id)
  where d.kind = %(kind)s and d.state in ('received', 'posted')
    and x.day in (%(day)s::date - 7, %(day)s::date - 14, %(day)s::date - 21, %(day)s::date - 28)
  group by d.source
  having count(distinct x.day) = 4) as e
order by e.source
