-- What was said of a category. Grain: category.
update categories as c
set name = coalesce(%(new_name)s, c.name),
    parent_id = case when %(parent)s::text is null then c.parent_id
                     else (select p.category_id from categories as p where p.name = %(parent)s::text) end,
    is_active = coalesce(%(is_active)s::boolean, c.is_active)
where c.name = %(name)s
