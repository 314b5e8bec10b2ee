-- The days of a delivery, and their span. Grain: day.
with stored as (
  insert into delivery_days (delivery_id, day, row_count)
  select %(delivery_id)s, given.day, given.row_count
  from unnest(%(days)s::date[], %(row_counts)s::int[]) as given (day, row_count)
  returning day)
update deliveries
set days = (select daterange(min(day), max(day), '[]') from stored)
where delivery_id = %(delivery_id)s
