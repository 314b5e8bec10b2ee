-- Categories that are named for the first time. Grain: category. In key order.
insert into categories (name)
select distinct c.change_data -> 'category' ->> 'new'
from run_commit as c
where c.problem is null and c.change_data -> 'category' ->> 'new' is not null
  and not exists (select from categories as k where k.name = c.change_data -> 'category' ->> 'new')
order by 1
on conflict do nothing
