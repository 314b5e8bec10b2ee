-- A blank sheet that was written. Grain: sheet.
insert into written_sheets (sheet_id, location_id, is_blind, articles, created_by, operation_id, plan_id, recount_id)
select %(sheet_id)s, location_id, %(is_blind)s, %(articles)s, %(who)s, %(operation_id)s, %(plan_id)s, %(recount_id)s
from locations
where code = %(location)s
