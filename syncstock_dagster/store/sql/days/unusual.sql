-- Days with far more or far fewer rows of a kind than the same weekday had in the eight weeks before. A day is judged
-- where at least four of those had rows. Grain: day; one row for every judged day.
with by_day as (
  select x.day, sum(x.row_count) as row_count
  from delivery_days as x
  join deliveries as d using (delivery_id)
  where d.kind = %(kind)s and d.source = any(%(sources)s::text[]) and d.state in ('received', 'posted')
    and x.day between %(first)s::date - 56 and %(last)s::date
  group by x.day),
days as (
  select g.day::date as day, coalesce(b.row_count, 0) as row_count
  from generate_series(%(first)s::date, %(last)s::date, interval '1 day') as g (day)
  left join by_day as b on b.day = g.day::date)
select d.day, d.row_count::int as row_count, u.usual, u.usual * %(least)s::numeric as least,
       u.usual * %(most)s::numeric as most,
       d.row_count not between u.usual * %(least)s::numeric and u.usual * %(most)s::numeric as is_unusual
from days as d
cross join lateral (
  select percentile_cont(0.5) within group (order by b.row_count)::numeric as usual, count(*) as weeks
  from by_day as b
  where b.day in (d.day - 7, d.day - 14, d.day - 21, d.day - 28, d.day - 35, d.day - 42, d.day - 49, d.day - 56)) as u
where u.weeks >= 4
order by d.day
