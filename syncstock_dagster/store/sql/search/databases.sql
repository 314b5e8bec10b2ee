-- The databases of this server as owners of indexes: named after server and database, and no name comes twice. Grain:
-- database.
select c.system_identifier::text as server, c.system_identifier || '/' || d.oid as owner,
       d.datname = current_database() as is_this
from pg_control_system() as c
cross join pg_database as d
