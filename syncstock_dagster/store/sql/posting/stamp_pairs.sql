-- What is read once the locks are held: the posting stamp (law L2), which is the clock, or the given recorded time,
-- raised above the last stamp of the article and location; and the first day of its closing balances.
-- Grain: article and location.
update run_pairs as p
set stamp = greatest(given.stamp, p.stamp + interval '1 microsecond'),
    begun = (
      select min(r.valid_from) from stock_ranges as r
      where r.inventory_id = p.inventory_id and r.location_id = p.location_id)
from (select coalesce(%(recorded_at)s::timestamptz, clock_timestamp()) as stamp offset 0) as given
