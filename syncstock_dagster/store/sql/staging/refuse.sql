-- What cannot be committed says why, and waits; the rest of the commit goes on without it. Grain: staged row.
update products_staging as s
set problem = c.problem
from run_commit as c
where c.staging_id = s.staging_id and c.problem is not null
