-- The posting stamp (law L2): the clock after the locks, or the given recorded time, raised above the last
-- stamp of the article and location. Grain: article and location.
update run_pairs as p
set stamp = greatest(given.stamp, p.stamp + interval '1 microsecond')
from (select coalesce(%(recorded_at)s::timestamptz, clock_timestamp()) as stamp offset 0) as given
