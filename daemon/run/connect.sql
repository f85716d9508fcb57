-- What a new connection is told. Hashes are of text forms, so everything a text form depends on is pinned.

-- name: pins
SET client_encoding = 'UTF8';
SET client_min_messages = warning;
SET search_path = pg_catalog{schemas};
SET timezone = 'UTC';
SET datestyle = 'ISO, YMD';
SET intervalstyle = 'postgres';
SET extra_float_digits = 3;
SET bytea_output = 'hex';
SET xmlbinary = 'base64';
SET lc_monetary = 'C';
SET row_security = off;
SET lock_timeout = {lock_timeout};
SET idle_in_transaction_session_timeout = '15min';
SET statement_timeout = {statement_timeout};
-- The server, too, notices when we have vanished, though not while it sends: we may be holding it back.
SET tcp_keepalives_idle = {keepalives_idle};
SET tcp_keepalives_interval = {keepalives_interval};
SET tcp_keepalives_count = {keepalives_count};
-- A backend that nobody listens to any more gives up its locks (PostgreSQL 14 and newer).
SELECT pg_catalog.set_config(name, '5s', false)
  FROM pg_catalog.pg_settings
 WHERE name = 'client_connection_check_interval';

-- name: source_pins
SET default_transaction_read_only = on;
