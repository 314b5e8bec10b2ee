-- Categories that products name for the first time. Grain: category. In key order.
insert into categories (name)
select distinct r.category
from raw_products as r
where r.category is not null and not exists (select from categories as c where c.name = r.category)
order by r.category
on conflict do nothing
