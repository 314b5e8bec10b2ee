-- Watermarks that are ahead of everything that was ever received. Grain: source.
select w.source_type, w.last_processed_at
from watermarks as w
where w.last_processed_at > (select max(d.received_at) from deliveries as d)
