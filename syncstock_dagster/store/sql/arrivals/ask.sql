-- Ask for a run about facts: how often each was asked for by now, this time included. What was asked for often enough
-- is left as it is, and is missing from the answer. Grain: fact.
insert into run_requests (fact)
select fact
from unnest(%(facts)s::text[]) as fact
order by fact
on conflict (fact) do update
set attempts = run_requests.attempts + 1, asked_at = clock_timestamp()
where run_requests.attempts < %(most)s
returning fact, attempts
