-- The lines of recounts, or (null) of all that are not finished. While somebody still has to count, nobody is told what
-- the others found. Grain: recount and article.
select s.recount_id, l.code as location, p.sku, s.inventory_id, p.name, s.state, s.rounds, r.counters, r.tolerance,
       r.reason, r.created_by, r.created_at, s.quantity as agreed, s.counted_at, s.settled_by is not null as is_settled,
       case when s.state in ('waiting', 'third') then array(
         select asked from unnest(r.counters) as asked where lower(btrim(asked)) <> all(n.people)) end as waits_for,
       case when s.state not in ('waiting', 'third') then n.found end as found
from recount_status as s
join recounts as r using (recount_id)
join locations as l on l.location_id = s.location_id
left join products as p on p.inventory_id = s.inventory_id
left join lateral (
  select jsonb_agg(jsonb_build_object(
           'round', o.round, 'counter', o.counter, 'counted_at', o.counted_at, 'quantity', o.quantity::text,
           'moved', o.moved::text, 'target', o.target::text, 'difference', o.difference::text)
         order by o.round) as found,
         coalesce(array_agg(lower(btrim(o.counter))) filter (where o.counter is not null), '{}') as people
  from recount_rounds as o
  where o.recount_id = s.recount_id and o.inventory_id = s.inventory_id) as n on true
where (%(recount_id)s::bigint is null or s.recount_id = %(recount_id)s)
  and (%(every)s or %(recount_id)s::bigint is not null or s.state in ('waiting', 'third', 'person'))
order by s.recount_id, p.sku
