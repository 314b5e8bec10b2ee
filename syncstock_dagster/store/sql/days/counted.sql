-- How many counts of each day there are, by what became of them. Grain: business day.
select (c.counted_at at time zone l.timezone)::date as day, count(*)::int as counts,
       count(*) filter (where c.decision = 'applied')::int as applied,
       count(*) filter (where c.decision = 'held')::int as held,
       count(*) filter (where c.decision = 'rejected')::int as rejected
from stock_counts as c
join locations as l using (location_id)
where c.withdrawn_by is null and c.standing <> 'superseded'
  and c.counted_at between %(first)s::date - interval '2 days' and %(last)s::date + interval '2 days'
  and (c.counted_at at time zone l.timezone)::date between %(first)s::date and %(last)s::date
group by 1
order by 1
