-- A gate rule holds these counts; the reason goes into the decision. Grain: candidate.
update run_candidates as k
set vetoed = v.reason
from jsonb_to_recordset(%(vetoes)s::jsonb) as v (count_id bigint, reason text)
where k.count_ids[1] = v.count_id
