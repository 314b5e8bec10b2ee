-- Reserves, in one statement that commits by itself. Grain: one answer.
select reserve_stock(%(ref)s, %(lines)s::jsonb, %(location)s, %(who)s, %(lasting)s::interval,
                     clock_timestamp() - %(fresh)s::interval, %(run_id)s)::text
