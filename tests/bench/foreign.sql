-- The target sees the source through postgres_fdw:  psql -v host=DIR -v port=5432 -v dbname=legacy -f foreign.sql
-- The fetch size is what somebody who knows postgres_fdw would set.

CREATE EXTENSION postgres_fdw;
CREATE SERVER legacy FOREIGN DATA WRAPPER postgres_fdw
    OPTIONS (host :'host', port :'port', dbname :'dbname', fetch_size '10000');
CREATE USER MAPPING FOR CURRENT_USER SERVER legacy OPTIONS (user 'postgres');
CREATE SCHEMA legacy;
IMPORT FOREIGN SCHEMA public LIMIT TO (dispatch_instruction) FROM SERVER legacy INTO legacy;
ANALYZE legacy.dispatch_instruction;
