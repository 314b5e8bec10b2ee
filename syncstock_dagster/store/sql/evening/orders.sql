-- The orders of a day that hold, by the local day on which they were placed. Grain: one row.
select count(distinct u.order_ref)::int as orders, coalesce(sum(u.deducted), 0) as units,
       (select count(*) from pending_excel_updates as o join movements as n using (movement_id)
        where o.closed_by is null and n.state = 'in_force')::int as pending
from pending_excel_updates as u
join movements as m using (movement_id)
join locations as l on l.location_id = u.location_id
where m.state = 'in_force' and u.placed_at >= %(day)s::date - 1 and u.placed_at < %(day)s::date + 2
  and (u.placed_at at time zone l.timezone)::date = %(day)s::date
