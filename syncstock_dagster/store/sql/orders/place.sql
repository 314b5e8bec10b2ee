-- Takes an order, in one statement that commits by itself. Grain: one answer.
select place_order(%(ref)s, %(lines)s::jsonb, %(location)s, %(who)s, clock_timestamp() - %(fresh)s::interval,
                   %(run_id)s)::text
