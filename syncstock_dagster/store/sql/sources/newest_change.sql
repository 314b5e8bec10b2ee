-- Up to when all changes of a source are known: the newest one that a finished pull without a filter told of, or when
-- that pull began, where the source tells of none. One row.
select max(coalesce(newest_change, started_at))
from source_pulls
where source = %(source)s and state = 'complete'
  and (is_whole
       or scope = 'changed' and ask ->> 'what' = 'full' and ask ->> 'with_stock_only' = 'false'
          and coalesce(ask ->> 'category', ask ->> 'brand', ask ->> 'location') is null)
