-- Days are published under the same lock, alone: a day is closed before a posting or after it. For this transaction the
-- planner remembers no row in case it is asked for again, for a posting asks for each row once; and a tenth of the
-- usual sample tells it enough of the run's tables. Grain: one row.
select pg_advisory_xact_lock_shared(hashtext('syncstock publishing')),
       set_config('enable_memoize', 'off', true),
       set_config('default_statistics_target', '10', true)
