/*
 * References, once the types of both their ends are known: how a staged row names its parent's legacy key, and what the parent's
 * target key becomes in the child. Used by binding.c only.
 */
#ifndef DAEMON_CATALOG_REFERENCE_H
#define DAEMON_CATALOG_REFERENCE_H

#include "catalog/binding.h"

/* Completes the references of every usable entity; all have been described. */
void bound_resolve_references(struct binding *binding);

#endif
