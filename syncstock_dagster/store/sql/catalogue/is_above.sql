-- Whether the category is, or lies above, what would become its parent. Grain: at most one row.
with recursive above as (
  select c.category_id, c.parent_id, c.name from categories as c where c.name = %(parent)s
  union
  select c.category_id, c.parent_id, c.name from above as a join categories as c on c.category_id = a.parent_id)
select 1 from above where name = %(name)s
