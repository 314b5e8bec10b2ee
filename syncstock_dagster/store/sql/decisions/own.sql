-- Counts of the given tiers that were delivered by who wants to approve them. Grain: count.
select a.count_id, a.tier
from run_asked as a
join sources as s using (source_id)
join deliveries as d using (delivery_id)
join jsonb_to_recordset(%(second_person)s::jsonb) as r (source text, tiers text[]) on r.source = s.name
where d.created_by = %(who)s and a.tier = any(r.tiers)
order by a.count_id
