-- Plans, or (null) all of them that still wait for a count, with how far they are. Grain: plan.
select p.plan_id, p.day, l.code as location, p.counter, p.is_blind, count(*)::int as lines,
       (count(*) filter (where s.status = 'planned'))::int as planned,
       (count(*) filter (where s.status = 'counted'))::int as counted,
       (count(*) filter (where s.status = 'skipped'))::int as skipped, p.created_by, p.created_at
from count_plans as p
join locations as l using (location_id)
join count_plan_status as s using (plan_id)
where %(plan_ids)s::bigint[] is null or p.plan_id = any(%(plan_ids)s)
group by p.plan_id, l.code
having %(every)s or %(plan_ids)s::bigint[] is not null or bool_or(s.status = 'planned')
order by p.day, l.code, p.plan_id
