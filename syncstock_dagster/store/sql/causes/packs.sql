-- A unit was taken for another: counted in packs or booked in them, or whole packs are missing. An article's own packs
-- say more than dozens. Grain: count, the best unit.
insert into cause_findings
with fitting as (
  select a.count_id, u.unit, u.factor, own.unit is not null as is_own,
         case when a.counted * u.factor = a.expected then 'counted_in'
              when a.expected * u.factor = a.counted then 'booked_in'
              when own.unit is not null and u.factor >= 4 and a.variance % u.factor = 0
                and abs(a.variance) <= 10 * u.factor then 'whole' end as how,
         a.variance / u.factor as packs
  from cause_counts as a
  join article_units as u on u.inventory_id = a.inventory_id and u.factor > 1
  left join product_units as own on own.inventory_id = a.inventory_id and own.unit = u.unit
  where a.counted <> 0 and a.expected <> 0)
select distinct on (count_id) count_id, 'packs', s.score,
       jsonb_build_object('how', how, 'unit', unit, 'factor', trim_scale(factor), 'packs', trim_scale(abs(packs)))
from fitting
cross join lateral (
  select case when how = 'whole' then case when abs(packs) = 1 then 0.55 else 0.4 end
              when is_own then 0.9 else 0.5 end as score) as s
where how is not null
order by count_id, s.score desc, factor
