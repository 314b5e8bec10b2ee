-- Which of the documents asked about have a line in force. Grain: place in the list.
select d.place
from run_documents as d
where exists (
  select from movements as m
  where m.source_id = d.source_id and m.document_key = ':' || d.document and m.state = 'in_force'
  offset 0)  -- or the planner reads and hashes the whole table
