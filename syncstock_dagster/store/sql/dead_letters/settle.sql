-- The end of a letter. Grain: letter.
update dead_letters
set state = %(state)s, settled_by = %(who)s, settled_at = clock_timestamp(), settled_reason = %(reason)s,
    settled_operation_id = %(operation_id)s
where dead_letter_id = %(dead_letter_id)s
