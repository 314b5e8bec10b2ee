-- Articles and categories whose newest version is not their state, or whose versions have a gap. Grain: one of them.
select 'product' as what, s.inventory_id as id, s.version, max(v.version_number) as newest, count(v.version_number) as versions
from product_states as s
left join product_versions as v using (inventory_id)
group by s.inventory_id, s.version, s.state
having max(v.version_number) is distinct from s.version
    or count(*) <> max(v.version_number) - min(v.version_number) + 1
    or (array_agg(v.product_data order by v.version_number desc))[1] is distinct from s.state
union all
select 'category', s.category_id, s.version, max(v.version_number), count(v.version_number)
from category_states as s
left join category_versions as v using (category_id)
group by s.category_id, s.version, s.state
having max(v.version_number) is distinct from s.version
    or count(*) <> max(v.version_number) - min(v.version_number) + 1
    or (array_agg(v.category_data order by v.version_number desc))[1] is distinct from s.state
