-- Counts that cannot be decided on, why, and who decided on them already. Grain: count id as asked.
select asked.count_id,
       case when c.count_id is null then 'unknown'
            when c.withdrawn_by is not null then 'withdrawn'
            else c.decision::text end as state,
       case when c.withdrawn_by is null then v.decided_by end as decided_by
from unnest(%(count_ids)s::bigint[]) as asked (count_id)
left join stock_counts as c using (count_id)
left join lateral (
  select x.decided_by from decisions as x
  where x.count_id = c.count_id and x.decision = c.decision::text
  order by x.decision_id desc
  limit 1) as v on true
where c.count_id is null or c.withdrawn_by is not null
   or c.decision::text <> all(%(allowed)s::text[])
order by asked.count_id
