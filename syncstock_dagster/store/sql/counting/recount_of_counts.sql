-- The counts that are to be made again, one row for each article and location. Grain: count.
select asked.count_id, c.inventory_id, c.location_id, l.code as location, c.counted_at, c.counter,
       case when c.count_id is null then 'there is no such count'
            when c.withdrawn_by is not null then 'it was withdrawn'
            when c.standing = 'superseded' then 'a later one took its place'
            when c.decision not in ('applied', 'held') then 'it is ' || c.decision
            when o.recount_id is not null then 'its article is in recount ' || o.recount_id || ' already' end as problem
from unnest(%(count_ids)s::bigint[]) as asked (count_id)
left join stock_counts as c using (count_id)
left join locations as l using (location_id)
left join lateral (
  select s.recount_id
  from recount_status as s
  where s.inventory_id = c.inventory_id and s.location_id = c.location_id and s.state in ('waiting', 'third')
  limit 1) as o on true
order by c.location_id, c.inventory_id, asked.count_id
