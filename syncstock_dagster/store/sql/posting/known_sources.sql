-- Every source this run may meet: those of its rows, and those whose counts are held. Grain: source.
select source from raw_movements
union
select source from raw_counts
union
select name from sources
