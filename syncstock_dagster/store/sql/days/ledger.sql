-- What the ledger says of each day. Grain: business day. Reads the entries of those days through the stock's key, so
-- it costs what the days hold.
with places as (  -- with the last microsecond of the day before, and of each day
  select l.location_id, min(d.ends) as begins, max(d.ends) as ends,
         array_agg(d.ends + interval '1 microsecond' order by d.ends) as days
  from locations as l
  cross join lateral (
    select day_end(g.day::date, l.timezone) as ends
    from generate_series(%(first)s::date - 1, %(last)s::date, interval '1 day') as g (day)) as d
  group by l.location_id),
entries as (
  select %(first)s::date - 1 + width_bucket(e.effective_at, p.days) as day, e.inventory_id, e.location_id,
         e.entry_type, e.delta
  from item_stock as s
  join places as p using (location_id)
  join ledger_entries as e
    on e.inventory_id = s.inventory_id and e.location_id = s.location_id
    and e.effective_at > p.begins and e.effective_at <= p.ends)
select day, count(*)::int as entries, count(*) filter (where entry_type = 'adjustment')::int as adjustments,
       count(distinct (inventory_id, location_id))::int as articles,
       coalesce(sum(delta) filter (where delta > 0), 0) as units_in,
       coalesce(-sum(delta) filter (where delta < 0), 0) as units_out,
       coalesce(sum(delta) filter (where entry_type = 'adjustment'), 0) as adjusted
from entries
group by day
order by day
