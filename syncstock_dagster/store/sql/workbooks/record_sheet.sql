-- A blank sheet that was written. Grain: sheet.
insert into written_sheets (sheet_id, location_id, is_blind, articles, created_by, operation_id)
select %(sheet_id)s, location_id, %(is_blind)s, %(articles)s, %(who)s, %(operation_id)s
from locations
where code = %(location)s
