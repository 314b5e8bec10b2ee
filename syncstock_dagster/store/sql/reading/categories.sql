-- Categories with how many articles are in each. Grain: category.
select c.name, p.name as parent, c.is_active, c.version,
       (select count(*) from products as a where a.category_id = c.category_id) as articles
from categories as c
left join categories as p on p.category_id = c.parent_id
order by c.name
