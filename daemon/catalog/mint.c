/*
 * Minted keys; see mint.h. Functions of the control schema stand in store/schema (migration `uuid`).
 *
 * The name of a UUID of version 5 is the entity and the parts of the legacy key, each as text after a slash: orders/42. Within a
 * part "%" is written %25 and "/" %2F, so that no two keys have one name; numbers that are equal have one, too.
 */
#include "catalog/mint.h"

#include <stdlib.h>
#include <string.h>

#include "common/text.h"

/* How a legacy key of this type becomes a part of a name; all others are text that may hold a slash. */
static const struct name_form {
	const char *type;
	const char *format;
} name_forms[] = {
	{ "bigint", "s.k%zu::text" },
	{ "integer", "s.k%zu::text" },
	{ "smallint", "s.k%zu::text" },
	{ "uuid", "s.k%zu::text" },
	{ "date", "s.k%zu::text" },
	{ "numeric", "pg_catalog.trim_scale(s.k%zu)::text" },  /* 1.0 and 1.00 are one key */
	{ "double precision", "(s.k%zu + float8 '0')::text" }, /* as are 0 and -0 */
	{ "real", "(s.k%zu + float4 '0')::text" },
};
#define ANY_OTHER "pg_catalog.replace(pg_catalog.replace(s.k%zu::text, '%', '%25'), '/', '%2F')"

static const char *name_format(const char *type)
{
	for (size_t i = 0; i < sizeof(name_forms) / sizeof(name_forms[0]); i++)
		if (strcmp(name_forms[i].type, type) == 0)
			return name_forms[i].format;
	return ANY_OTHER;
}

static void append_part(struct text *text, const char *format, size_t part)
{
	const char *hole = strstr(format, "%zu");

	text_append_bytes(text, format, (size_t)(hole - format));
	text_appendf(text, "%zu%s", part, hole + strlen("%zu"));
}

static char *uuid_name(const struct bound_entity *bound)
{
	struct text text = TEXT_INIT;

	text_appendf(&text, "'%s", bound->entity->name);
	for (size_t i = 0; i < bound->entity->source_key.count; i++) {
		text_appendf(&text, "%s/' || ", i > 0 ? " || '" : "");
		append_part(&text, name_format(bound->key_types[i]), i + 1);
	}
	return text_steal(&text);
}

/* By an extension's function, where the target has one; SHA-1 of our own takes 40 times as long. */
static char *mint_v5(const struct catalog *target, const struct bound_entity *bound)
{
	const char *namespace = bound->entity->uuid_namespace != NULL
					? bound->entity->uuid_namespace
					: MINT_NAMESPACE;
	_cleanup_free_ char *name = uuid_name(bound);

	if (target->uuid_generate_v5 != NULL)
		return text_format("%s('%s'::uuid, %s)", target->uuid_generate_v5, namespace, name);
	return text_format("migrated.uuid_of_sha1(%s(pg_catalog.uuid_send('%s') || "
			   "pg_catalog.convert_to(%s, 'UTF8')%s))",
			   target->digest != NULL ? target->digest : "migrated.sha1", namespace,
			   name, target->digest != NULL ? ", 'sha1'" : "");
}

static const struct catalog_column *key_column(const struct binding *binding,
					       const struct bound_entity *bound)
{
	const struct entity *entity = bound->entity;

	return catalog_column(catalog_relation(&binding->target, entity->target_schema,
					       entity->target_table),
			      entity->target_key.names[0]);
}

static bool is_uuid(const struct catalog_column *key)
{
	return strcmp(key->base_type, "uuid") == 0;
}

static bool is_number(const struct catalog_column *key)
{
	return strcmp(key->base_type, "bigint") == 0 || strcmp(key->base_type, "integer") == 0 ||
	       strcmp(key->base_type, "smallint") == 0;
}

/* Why numbers for this key cannot be taken from its sequence; NULL when they can. */
static char *number_refusal(const struct bound_entity *bound, const struct catalog_column *key)
{
	if (bound->entity->uuid != UUID_RANDOM)
		return text_format("target column \"%s\" is %s and not a UUID: leave \"uuid\" out",
				   key->name, key->type);
	if (!key->may_use_sequence)
		return text_format("our role may not use sequence %s, from which the values of "
				   "target column \"%s\" are taken: GRANT USAGE ON SEQUENCE %s",
				   key->sequence, key->name, key->sequence);
	return NULL;
}

static char *refusal(const struct bound_entity *bound, const struct catalog_column *key)
{
	if (is_uuid(key))
		return NULL;
	if (is_number(key) && key->sequence != NULL)
		return number_refusal(bound, key);
	return text_format("target column \"%s\" is %s%s, and only a UUID, or a number from the "
			   "column's own sequence, can be minted; map the column, or make it uuid",
			   key->name, key->type, is_number(key) ? " without a sequence" : "");
}

void bound_check_mint(struct binding *binding, struct bound_entity *bound,
		      const struct catalog_column *key)
{
	_cleanup_free_ char *message = refusal(bound, key);

	if (message != NULL)
		binding_refuse(binding, bound, "$.target.key", message);
	bound->overrides = key->identity_always;
}

void bound_set_mint(const struct binding *binding, struct bound_entity *bound)
{
	const struct catalog_column *key = key_column(binding, bound);

	if (!entity_mints_key(bound->entity))
		return;
	free(bound->mint);
	if (!is_uuid(key))
		bound->mint = text_copy(key->minted);
	else if (bound->entity->uuid == UUID_V5)
		bound->mint = mint_v5(&binding->target, bound);
	else
		bound->mint = text_copy(bound->entity->uuid == UUID_V7
						? "migrated.uuid_v7()"
						: "pg_catalog.gen_random_uuid()");
}
