-- How keys are minted besides at random: UUIDs of version 5 and 7 (RFC 9562). Names are qualified instead of a search_path being set, so
-- that the planner can put the bodies in the place of the calls.

CREATE FUNCTION migrated.uuid_v7() RETURNS uuid
LANGUAGE sql VOLATILE PARALLEL SAFE
AS $$
  -- A random UUID whose first 48 bits are the Unix time in milliseconds, and whose version, 4, becomes 7 by two more bits.
  SELECT pg_catalog.encode(
           pg_catalog.set_bit(
             pg_catalog.set_bit(
               pg_catalog.substr(pg_catalog.int8send(pg_catalog.floor(
                 EXTRACT(epoch FROM pg_catalog.clock_timestamp()) * 1000)::bigint), 3)
               || pg_catalog.substr(pg_catalog.uuid_send(pg_catalog.gen_random_uuid()), 7),
               52, 1),
             53, 1),
           'hex')::uuid
$$;
COMMENT ON FUNCTION migrated.uuid_v7 IS 'A UUID of version 7: milliseconds since 1970, then 74 random bits';

CREATE FUNCTION migrated.uuid_of_sha1(hash bytea) RETURNS uuid
LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE
AS $$
  SELECT pg_catalog.encode(
           pg_catalog.set_byte(
             pg_catalog.set_byte(pg_catalog.substr(hash, 1, 16), 6, pg_catalog.get_byte(hash, 6) & 15 | 80),
             8, pg_catalog.get_byte(hash, 8) & 63 | 128),
           'hex')::uuid
$$;
COMMENT ON FUNCTION migrated.uuid_of_sha1 IS 'The UUID of version 5 that a SHA-1 hash of namespace and name makes';

-- FIPS 180-4, 6.1, on 32-bit words kept in bigint.
CREATE FUNCTION migrated.sha1(message bytea) RETURNS bytea
LANGUAGE plpgsql IMMUTABLE STRICT PARALLEL SAFE
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
  mask CONSTANT bigint := 4294967295;
  bits CONSTANT bigint := 8 * length(message)::bigint;
  padded CONSTANT bytea := message || '\x80'::bytea
                           || decode(repeat('00', ((119 - length(message) % 64) % 64)), 'hex')
                           || int8send(bits);
  h0 bigint := 1732584193;
  h1 bigint := 4023233417;
  h2 bigint := 2562383102;
  h3 bigint := 271733878;
  h4 bigint := 3285377520;
  a bigint; b bigint; c bigint; d bigint; e bigint;
  f bigint; x bigint;
  w bigint[];
  at integer := 0;
BEGIN
  WHILE at < length(padded) LOOP
    FOR t IN 1 .. 16 LOOP
      w[t] := (('x' || encode(substr(padded, at + 4 * t - 3, 4), 'hex'))::bit(32))::bigint;
    END LOOP;
    FOR t IN 17 .. 80 LOOP
      x := w[t - 3] # w[t - 8] # w[t - 14] # w[t - 16];
      w[t] := ((x << 1) | (x >> 31)) & mask;
    END LOOP;
    a := h0; b := h1; c := h2; d := h3; e := h4;
    FOR t IN 1 .. 80 LOOP
      IF t <= 20 THEN
        f := ((b & c) | ((b # mask) & d)) + 1518500249;
      ELSIF t <= 40 THEN
        f := (b # c # d) + 1859775393;
      ELSIF t <= 60 THEN
        f := ((b & c) | (b & d) | (c & d)) + 2400959708;
      ELSE
        f := (b # c # d) + 3395469782;
      END IF;
      x := ((((a << 5) | (a >> 27)) & mask) + f + e + w[t]) & mask;
      e := d; d := c; c := ((b << 30) | (b >> 2)) & mask; b := a; a := x;
    END LOOP;
    h0 := (h0 + a) & mask; h1 := (h1 + b) & mask; h2 := (h2 + c) & mask; h3 := (h3 + d) & mask; h4 := (h4 + e) & mask;
    at := at + 64;
  END LOOP;
  RETURN substr(int8send(h0), 5) || substr(int8send(h1), 5) || substr(int8send(h2), 5) || substr(int8send(h3), 5)
         || substr(int8send(h4), 5);
END
$$;
COMMENT ON FUNCTION migrated.sha1 IS 'SHA-1, for targets that have neither pgcrypto nor uuid-ossp';
