-- Closing stock of each day. Grain: business day. Each stored range counts where it begins and no longer where it ends,
-- so a year costs what one day costs.
with steps as (
  select greatest(r.valid_from, %(first)s::date) as day, 1 as rows, r.on_hand,
         (r.on_hand < 0)::int as negative, r.on_hand * p.cost as value,
         (r.on_hand <> 0 and p.cost is null)::int as without_cost
  from stock_ranges as r
  left join products as p using (inventory_id)
  where r.valid_from <= %(last)s::date and r.valid_to > %(first)s::date
  union all
  select r.valid_to, -1, -r.on_hand, -(r.on_hand < 0)::int, -r.on_hand * p.cost,
         -(r.on_hand <> 0 and p.cost is null)::int
  from stock_ranges as r
  left join products as p using (inventory_id)
  where r.valid_from <= %(last)s::date and r.valid_to > %(first)s::date and r.valid_to <= %(last)s::date),
changes as (
  select day, sum(rows) as rows, sum(on_hand) as on_hand, sum(negative) as negative, sum(value) as value,
         sum(without_cost) as without_cost
  from steps
  group by day)
select d.day::date as day, coalesce(sum(c.rows) over so_far, 0)::int as articles,
       coalesce(sum(c.on_hand) over so_far, 0) as on_hand, coalesce(sum(c.negative) over so_far, 0)::int as negative,
       coalesce(sum(c.value) over so_far, 0) as value,
       coalesce(sum(c.without_cost) over so_far, 0)::int as without_cost,
       (select count(*) from restatements as x
        where x.kind = 'snapshot' and d.day::date between x.first_day and x.last_day)::int as restated
from generate_series(%(first)s::date, %(last)s::date, interval '1 day') as d (day)
left join changes as c on c.day = d.day::date
window so_far as (order by d.day)
order by 1
