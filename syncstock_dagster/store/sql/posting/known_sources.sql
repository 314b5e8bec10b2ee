-- Every source this run may meet: those of its rows, and those that are known, whose evidence may wait.
-- Grain: source.
select unnest(%(named_sources)s::text[])
union
select name from sources
