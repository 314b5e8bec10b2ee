-- Days whose published values changed after some point of the record, and how far the record goes. Grain: one row.
select max(r.restatement_id) as newest,
       coalesce(array_agg(distinct d.day::date), '{}') as days, count(distinct r.restatement_id)::int as changes
from (
  select restatement_id, first_day, last_day
  from restatements
  where restatement_id > %(after)s
  order by restatement_id
  limit %(limit)s) as r
cross join lateral generate_series(
  r.first_day, least(r.last_day, current_date + 1), interval '1 day') as d (day)
