-- What an address was told. Grain: fact.
insert into alerts (fact, address, tier, told)
select f.fact, %(address)s, f.tier, f.told
from unnest(%(facts)s::text[], %(tiers)s::text[], %(told)s::text[]) as f (fact, tier, told)
order by f.fact
on conflict do nothing
