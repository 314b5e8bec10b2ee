-- Counts that cannot be decided on, and why. Grain: count id as asked.
select asked.count_id, case when c.count_id is null then 'unknown'
                            when c.withdrawn_by is not null then 'withdrawn'
                            else c.decision::text end as state
from unnest(%(count_ids)s::bigint[]) as asked (count_id)
left join stock_counts as c using (count_id)
where c.count_id is null or c.withdrawn_by is not null
   or c.decision::text <> all(%(allowed)s::text[])
order by asked.count_id
