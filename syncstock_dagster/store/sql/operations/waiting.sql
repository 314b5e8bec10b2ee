-- What of the record waits for a person, beside what get_status() tells. Grain: one row.
select (select count(*) from products_staging as s where s.is_open) as staged_changes,
       (select count(*) from dead_letters as d where d.state = 'waiting') as dead_letters,
       (select count(*) from sync_rollbacks as r where r.status = 'requested') as requested_rollbacks
