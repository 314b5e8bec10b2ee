-- A delivery as it came. Its receipt is the given time, or the clock at its first receipt.
insert into deliveries
  (name, kind, source, state, received_at, recorded_at, content_sha256, reader, row_count, errors, created_by, operation_id)
values
  (%(name)s, %(kind)s, %(source)s, %(state)s::delivery_state,
   coalesce(%(recorded_at)s::timestamptz, clock_timestamp()),
   %(recorded_at)s::timestamptz, %(content_sha256)s, %(reader)s, %(row_count)s,
   %(errors)s::jsonb, %(who)s, %(operation_id)s)
returning delivery_id
