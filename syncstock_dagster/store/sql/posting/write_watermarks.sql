-- How far each source of this run is known, and how late it has ever been. Grain: source.
with seen as (
  select d.source_id, max(r.stamp) as stamp, max(r.stamp - m.effective_at) as lateness
  from run_movements as m
  join run_pairs as r using (inventory_id, location_id)
  cross join lateral (select m.source_id) as d
  group by d.source_id
  union all
  select c.source_id, max(r.stamp), max(r.stamp - c.counted_at)
  from run_counts as c
  join run_pairs as r using (inventory_id, location_id)
  group by c.source_id),
sources_seen as (
  select s.name, max(x.stamp) as stamp, greatest(max(x.lateness), interval '0') as lateness
  from seen as x
  join sources as s using (source_id)
  group by s.name)
insert into watermarks as w (source_type, last_processed_at, lateness)
select name, stamp, lateness from sources_seen order by name
on conflict (source_type) do update
  set last_processed_at = greatest(w.last_processed_at, excluded.last_processed_at),
      lateness = greatest(w.lateness, excluded.lateness),
      updated_at = clock_timestamp()
