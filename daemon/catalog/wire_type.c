/*
 * Types that rows are shipped in; see wire_type.h.
 */
#include "catalog/wire_type.h"

#include <stddef.h>

/* Types whose binary form is the same on both sides, whatever the versions (src/include/catalog/pg_type.dat).
   `bit` is staged as varbit, since plain "bit" would mean one bit. */
static const struct wire_type {
	Oid oid;
	const char *name;
} wire_types[] = {
	{ 16, "boolean" },
	{ 17, "bytea" },
	{ 18, "\"char\"" },
	{ 19, "name" },
	{ 20, "bigint" },
	{ 21, "smallint" },
	{ 23, "integer" },
	{ 25, "text" },
	{ 26, "oid" },
	{ 114, "json" },
	{ 142, "xml" },
	{ 199, "json[]" },
	{ 600, "point" },
	{ 601, "lseg" },
	{ 602, "path" },
	{ 603, "box" },
	{ 604, "polygon" },
	{ 628, "line" },
	{ 650, "cidr" },
	{ 700, "real" },
	{ 701, "double precision" },
	{ 718, "circle" },
	{ 829, "macaddr" },
	{ 869, "inet" },
	{ 1000, "boolean[]" },
	{ 1001, "bytea[]" },
	{ 1005, "smallint[]" },
	{ 1007, "integer[]" },
	{ 1009, "text[]" },
	{ 1014, "bpchar[]" },
	{ 1015, "varchar[]" },
	{ 1016, "bigint[]" },
	{ 1021, "real[]" },
	{ 1022, "double precision[]" },
	{ 1042, "bpchar" },
	{ 1043, "varchar" },
	{ 1082, "date" },
	{ 1083, "time" },
	{ 1114, "timestamp" },
	{ 1115, "timestamp[]" },
	{ 1182, "date[]" },
	{ 1184, "timestamptz" },
	{ 1185, "timestamptz[]" },
	{ 1186, "interval" },
	{ 1231, "numeric[]" },
	{ 1266, "timetz" },
	{ 1560, "varbit" },
	{ 1562, "varbit" },
	{ 1700, "numeric" },
	{ 2950, "uuid" },
	{ 2951, "uuid[]" },
	{ 3614, "tsvector" },
	{ 3802, "jsonb" },
	{ 3807, "jsonb[]" },
	{ 3904, "int4range" },
	{ 3906, "numrange" },
	{ 3908, "tsrange" },
	{ 3910, "tstzrange" },
	{ 3912, "daterange" },
	{ 3926, "int8range" },
};

const char *wire_type_name(Oid oid)
{
	for (size_t i = 0; i < sizeof(wire_types) / sizeof(wire_types[0]); i++)
		if (wire_types[i].oid == oid)
			return wire_types[i].name;
	return NULL;
}
