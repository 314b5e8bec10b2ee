-- What staging did. Grain: one row.
select (select count(*) from run_stored) as staged,
       (select count(*) from run_changes) - (select count(*) from run_stored) as unchanged,
       (select count(*) from run_catalogue_conflicts as k where k.verdict is null) as conflicts,
       (select count(*) from run_catalogue_conflicts as k where k.verdict is not null) as conflicts_settled
