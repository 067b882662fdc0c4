"""One package for each kind of database, behind `jobkit_sql.dialect.Dialect`."""
