-- Published values of an article that late evidence changed: the newest of each location, each with how many there
-- are in all. Grain: changed range of days, or changed variance.
with numbered as (
  select r.*, count(*) over place as in_all, row_number() over (place order by r.restatement_id desc) as newness
  from restatements as r
  where r.inventory_id = %(inventory_id)s
  window place as (partition by r.location_id))
select l.code as location, x.kind, x.first_day, x.last_day, x.counted_at, x.old_value, x.new_value, x.recorded_at,
       x.in_all::int as in_all
from numbered as x
join locations as l using (location_id)
where x.newness <= %(newest)s and (%(location)s::text is null or l.code = %(location)s::text)
order by l.code, x.newness
