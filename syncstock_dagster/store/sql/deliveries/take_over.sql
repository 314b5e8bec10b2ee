-- The newest delivery of an identity answers for it from now on: sent again on purpose, or refused before.
insert into delivery_identities (identity, delivery_id)
select identity, %(delivery_id)s
from unnest(%(identities)s::text[]) as identity
order by identity
on conflict (identity) do update set delivery_id = excluded.delivery_id
