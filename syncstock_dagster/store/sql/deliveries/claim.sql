-- A delivery's identities become its own. A second worker with the same one waits here, and gets fewer rows
-- than it asked for. In key order.
insert into delivery_identities (identity, delivery_id)
select identity, %(delivery_id)s
from unnest(%(identities)s::text[]) as identity
order by identity
on conflict (identity) do nothing
returning identity
