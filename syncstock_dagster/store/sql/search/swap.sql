-- An index that is whole becomes the current one. No row where another writer swept it away meanwhile.
update search_indexes
set state = 'current', documents = %(documents)s, churn = %(churn)s, fingerprint = %(fingerprint)s,
  finished_at = clock_timestamp(), doubt = null
where index_name = %(index_name)s and place = %(place)s
