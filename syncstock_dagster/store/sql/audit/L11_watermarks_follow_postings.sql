-- Watermarks that are ahead of everything that was ever posted. Grain: source.
select w.source_type, w.last_processed_at
from watermarks as w
where w.last_processed_at > (select max(s.recorded_at) from item_stock as s)
