/*
 * See changes.h. An entity has changed when its file says something else: what that means is not judged here.
 */
#include "config/changes.h"

#include <stdlib.h>
#include <string.h>

#include "common/text.h"

const char *change_kind_name(enum change_kind kind)
{
	static const char *const names[] = {
		[CHANGE_ADDED] = "added",
		[CHANGE_REMOVED] = "removed",
		[CHANGE_CHANGED] = "changed",
	};

	return names[kind];
}

static void add(struct change_list *list, char *what, enum change_kind kind,
		enum setting_effect effect)
{
	list->changes = memory_grow(list->changes, list->count + 1, sizeof *list->changes);
	list->changes[list->count++] = (struct change){ what, kind, effect };
}

static void add_entity(struct change_list *list, const char *name, enum change_kind kind)
{
	add(list, text_format("entity %s", name), kind, EFFECT_NEXT);
}

static bool same_text(const char *a, const char *b)
{
	return a == b || (a && b && strcmp(a, b) == 0);
}

static void find_settings(const struct config *running, const struct config *loaded,
			  struct change_list *list)
{
	for (size_t i = 0; i < setting_count; i++) {
		const struct setting *setting = &setting_table[i];

		if (!setting_equal(setting, &running->settings, &loaded->settings))
			add(list, text_format("%s.%s", setting->section, setting->key),
			    CHANGE_CHANGED, setting->effect);
	}
}

static int compare_names(const void *a, const void *b)
{
	return strcmp(((const struct change *)a)->what, ((const struct change *)b)->what);
}

static void find_entities(const struct entity_set *running, const struct entity_set *loaded,
			  struct change_list *list)
{
	size_t before = list->count;

	for (size_t i = 0; i < loaded->count; i++) {
		const struct entity *now = &loaded->entities[i];
		const struct entity *was = entity_find(running, now->name);

		if (!was)
			add_entity(list, now->name, CHANGE_ADDED);
		else if (!same_text(was->written, now->written))
			add_entity(list, now->name, CHANGE_CHANGED);
	}
	for (size_t i = 0; i < running->count; i++)
		if (!entity_find(loaded, running->entities[i].name))
			add_entity(list, running->entities[i].name, CHANGE_REMOVED);
	if (list->count > before)
		qsort(list->changes + before, list->count - before, sizeof *list->changes,
		      compare_names);
}

void changes_find(const struct config *running, const struct config *loaded,
		  struct change_list *ret_list)
{
	*ret_list = (struct change_list){ 0 };
	find_settings(running, loaded, ret_list);
	find_entities(&running->entities, &loaded->entities, ret_list);
}

void change_list_done(struct change_list *list)
{
	for (size_t i = 0; i < list->count; i++)
		free(list->changes[i].what);
	free(list->changes);
	*list = (struct change_list){ 0 };
}

bool changes_have(const struct change_list *list, enum setting_effect effect)
{
	for (size_t i = 0; i < list->count; i++)
		if (list->changes[i].effect == effect)
			return true;
	return false;
}

static void copy(const struct config *from, struct config *to, enum setting_effect effect)
{
	for (size_t i = 0; i < setting_count; i++)
		if (setting_table[i].effect == effect)
			setting_copy(&setting_table[i], &from->settings, &to->settings);
}

void changes_take_at_once(struct config *running, const struct config *loaded)
{
	copy(loaded, running, EFFECT_AT_ONCE);
}

void changes_keep(const struct config *running, struct config *loaded)
{
	copy(running, loaded, EFFECT_RESTART);
}
