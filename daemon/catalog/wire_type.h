/*
 * The types in which one server may send a value in binary and another read it. What is not among them goes as text.
 */
#ifndef DAEMON_CATALOG_WIRE_TYPE_H
#define DAEMON_CATALOG_WIRE_TYPE_H

#include <libpq-fe.h>

/* The name of the stage's column type for what the source calls `oid`; NULL: it goes as text. */
const char *wire_type_name(Oid oid);

#endif
