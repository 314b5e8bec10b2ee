-- Events that happened before an instant go, and it is kept up to where, for readers who have not seen them. What a
-- transaction wrote goes with all that older transactions wrote, or stays: readers go by transactions. Grain: event.
with first_kept as (
  select coalesce(
    (select k.xid from sync_events as k where k.occurred_at >= %(before)s order by k.xid limit 1),
    pg_snapshot_xmin(pg_current_snapshot())) as xid),
gone as (
  delete from sync_events as e
  using first_kept as k
  where e.xid < k.xid
  returning e.xid, e.event_id),
kept as (
  insert into events_pruned as p (up_to_xid, up_to_id, before)
  select (select g.xid from gone as g order by g.xid desc limit 1), max(g.event_id), %(before)s
  from gone as g
  having count(*) > 0
  on conflict (only_one) do update
    set up_to_xid = greatest(p.up_to_xid, excluded.up_to_xid), up_to_id = greatest(p.up_to_id, excluded.up_to_id),
        before = greatest(p.before, excluded.before))
select count(*) from gone
