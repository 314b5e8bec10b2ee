-- The next free moment for a call of an account, taken for the caller: calls of all processes stand in one line with
-- an even distance, so there is no burst. Nothing is taken while the account is blocked, or when the day's calls are
-- used up. Grain: account.
with asked as (
  select coalesce(%(now)s, clock_timestamp()) as now),
taken as (
  update vendor_limits as l
  set next_at = greatest(l.next_at, a.now) + %(seconds_apart)s * interval '1 second',
      day = (a.now at time zone 'UTC')::date,
      calls = case when l.day = (a.now at time zone 'UTC')::date then l.calls + 1 else 1 end
  from asked as a
  where l.account = %(account)s
    and (l.blocked_until is null or l.blocked_until <= a.now)
    and (%(calls_a_day)s::int is null or l.day is distinct from (a.now at time zone 'UTC')::date
         or l.calls < %(calls_a_day)s::int)
  returning extract(epoch from l.next_at - %(seconds_apart)s * interval '1 second' - a.now) as wait)
select t.wait::float8, l.blocked_until, l.blocked_because
from vendor_limits as l
left join taken as t on true
where l.account = %(account)s
