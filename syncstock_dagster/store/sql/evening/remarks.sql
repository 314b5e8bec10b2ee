-- What was written beside some counts; rooms that were summed are one count. Grain: count that has a remark.
select c.count_id, string_agg(distinct r.remark, '; ' order by r.remark) as remarks
from stock_counts as c
join stock_counts as r
  on (r.inventory_id, r.location_id, r.counted_at) = (c.inventory_id, c.location_id, c.counted_at)
where c.count_id = any(%(count_ids)s) and r.remark is not null
  and (r.count_id = c.count_id or (c.standing = 'in_force' and r.standing = 'in_force'))
group by c.count_id
