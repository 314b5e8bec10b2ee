-- Facts about the sources of movements, as numbers. Grain: source.
select name, source_id, (trust = 'advisory')::int, (on_change = 'restate')::int, (day_grain = 'before_counts')::int
from run_sources
where not of_counts
