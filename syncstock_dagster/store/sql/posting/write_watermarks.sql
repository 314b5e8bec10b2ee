-- How far each source of this run is known (the receipt of its newest delivery), and how late it has ever been.
-- Grain: source.
with seen as (
  select m.source_id, max(d.received_at) as received_at, max(d.received_at - m.effective_at) as lateness
  from run_movements as m
  join deliveries as d using (delivery_id)
  group by m.source_id
  union all
  select e.source_id, d.received_at, d.received_at - e.first_at
  from jsonb_to_recordset(%(express)s::jsonb) as e (source_id smallint, first_at timestamptz)
  join deliveries as d on d.delivery_id = %(delivery_id)s
  union all
  select c.source_id, max(d.received_at), max(d.received_at - c.counted_at)
  from run_counts as c
  join deliveries as d using (delivery_id)
  group by c.source_id),
sources_seen as (
  select s.name, max(x.received_at) as received_at, greatest(max(x.lateness), interval '0') as lateness
  from seen as x
  join sources as s using (source_id)
  group by s.name)
insert into watermarks as w (source_type, last_processed_at, lateness)
select name, received_at, lateness from sources_seen order by name
on conflict (source_type) do update
  set last_processed_at = greatest(w.last_processed_at, excluded.last_processed_at),
      lateness = greatest(w.lateness, excluded.lateness),
      updated_at = clock_timestamp()
