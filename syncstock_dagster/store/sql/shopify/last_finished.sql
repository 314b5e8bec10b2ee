-- The last reverse sync that came to its end and sent what it planned. Grain: run.
select s.name, s.finished_at, s.report
from shopify_syncs as s
where s.kind = 'reverse' and s.state = 'finished' and not s.is_dry_run and s.report is not null
order by s.finished_at desc nulls last
limit 1
