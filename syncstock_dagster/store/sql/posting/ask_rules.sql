-- Counts that the gate would apply, for the gate rules of their sources. Grain: candidate.
select s.name as source, v.count_ids[1] as count_id, v.inventory_id, p.sku, l.code as location, v.counted_at,
       v.counted, v.expected, v.counted - v.expected as variance, v.tier
from run_verdicts as v
join sources as s using (source_id)
join run_locations as l using (location_id)
left join products as p using (inventory_id)
where s.name = any(%(sources)s) and v.tier in ('tolerance', 'review')
order by v.inventory_id, l.code, v.counted_at
