-- Candidate causes as they are found. Grain: count and cause, until they are ranked.
create temp table cause_findings (
  count_id bigint not null, cause text not null, score numeric not null, details jsonb not null
) on commit drop
