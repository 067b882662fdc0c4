"""PostgreSQL, through psycopg 3."""

from jobkit_sql.dialects.postgresql.dialect import Postgresql

__all__ = ["Postgresql"]
