-- Gives a reservation back, in one statement that commits by itself. Grain: one answer.
select release_reservation(%(ref)s, %(who)s, %(run_id)s)::text
