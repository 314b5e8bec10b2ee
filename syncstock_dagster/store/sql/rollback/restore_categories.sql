-- Categories go back to what they were before an operation changed them; one that it created becomes inactive.
-- Those that somebody changed since stay. Grain: category.
update categories as c
set name = coalesce(b.category_data ->> 'name', c.name),
    parent_id = case when b.category_id is null then c.parent_id
                     else (select p.category_id from categories as p where p.name = b.category_data ->> 'parent') end,
    is_active = coalesce((b.category_data ->> 'is_active')::boolean, false)
from category_versions as v
left join category_versions as b on b.category_id = v.category_id and b.version_number = v.version_number - 1
where v.operation_id = %(requested_id)s and c.category_id = v.category_id and c.version = v.version_number
