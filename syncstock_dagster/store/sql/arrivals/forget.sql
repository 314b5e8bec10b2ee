-- Files that no longer lie in the drop folder; where only one kind was listed, of that kind.
delete from drop_files
where
    not name = any(%(names)s::text[])
    and (%(kind)s::text is null or split_part(name, '/', 1) = %(kind)s::text)
