-- Files that no longer lie in the drop folder.
delete from drop_files
where not name = any(%(names)s::text[])
