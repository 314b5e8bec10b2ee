-- All rows of the contested identities, by both of their indexes. Grain: movement.
insert into run_contenders
select m.movement_id from run_contested as c join movements as m using (source_id, document_key, line_key)
where m.state = 'in_force'
union all
select m.movement_id from run_contested as c join movements as m using (source_id, document_key, line_key)
where m.state <> 'in_force'
