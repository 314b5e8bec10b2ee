-- The categories that a commit names keep their names until it is through: what an article's version calls its category
-- is what it is called. In a statement of its own, so that later ones see what it waited for. In key order. Grain:
-- category.
select k.category_id
from categories as k
where k.name in (select c.change_data -> 'category' ->> 'new' from run_commit as c where c.change_data ? 'category')
order by k.category_id
for key share
