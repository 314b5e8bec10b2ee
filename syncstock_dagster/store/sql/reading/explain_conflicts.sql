-- Open conflicts about an article. Grain: conflict.
select l.code as location, k.conflict_id, k.conflict_type as kind, k.source, k.document, k.line, k.local_value,
       k.remote_value, k.raised_at
from sync_conflicts as k
join locations as l using (location_id)
where k.inventory_id = %(inventory_id)s and k.status = 'open'
  and (%(location)s::text is null or l.code = %(location)s::text)
order by l.code, k.conflict_id
