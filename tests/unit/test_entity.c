// The mapping language: a good entity field by field, and one row for each kind of bad one.
#include "tests/unit/testing.h"

#include <stdlib.h>
#include <string.h>

#include "common/text.h"
#include "tests/unit/config_files.h"

/* Parents that the rows below may refer to. */
static void write_parents(const struct config_files *files)
{
	config_files_write_entity(files, "offices", "'code': 'code'");
	config_files_write(
		files, "entities.d/lines.json",
		"{'entity': 'lines', 'source': {'table': 'line', 'key': ['order_id', 'number']},"
		" 'target': {'table': 'lines', 'key': 'id'}, 'columns': {}}");
	config_files_write(files, "entities.d/pairs.json",
			   "{'entity': 'pairs', 'source': {'table': 'pair', 'key': 'id'},"
			   " 'target': {'table': 'pairs', 'key': ['a', 'b']},"
			   " 'columns': {'a': 'a', 'b': 'b'}}");
}

static void setup_files(struct config_files *files)
{
	config_files_init(files);
	write_parents(files);
}

static const char good_entity[] =
	"{'comment': 'as in the manual', 'entity': 'orders',"
	" 'source': {'schema': 'lab', 'table': 'dispatch_instruction', 'key': 'id',"
	"            'where': 'NOT is_test'},"
	" 'target': {'table': 'orders', 'key': 'id', 'legacy_key': 'legacy_instruction_id'},"
	" 'detect': {'strategy': 'timestamp', 'updated_at': 'changed', 'overlap': '30s'},"
	" 'on_delete': {'mark': {'is_active': false, 'gone': null}},"
	" 'identity': ['created_at', 'origin'],"
	" 'on_conflict': {'last_writer_wins': {'source': 'changed', 'target': 'edited'}},"
	" 'uuid': 'random',"
	" 'validate': {'steps': 'both', 'checks': ['values', 'counts']},"
	" 'columns': {"
	"  'notes': 'remarks',"
	"  'title': {'comment': 'renamed', 'from': 'name'},"
	"  'office_id': {'references': 'offices', 'from': 'office', 'if_missing': 'null'},"
	"  'line_id': {'references': [{'entity': 'lines', 'when': 'kind = 1'},"
	"                             {'entity': 'lines'}],"
	"              'from': ['order_id', 'line_number']},"
	"  'status': {'from': 'status', 'values': {'0': 'draft', '1': 7}, 'default': null},"
	"  'total': {'sql': 'price * quantity'},"
	"  'kind': {'constant': 'order'},"
	"  'nothing': {'constant': null},"
	"  'metadata': {'json': {'plan': 'plan_id', 'origin': {'constant': 1},"
	"                        'deep': {'json': {'x': {'sql': 'now()'}}},"
	"                        'word': {'from': 'w', 'values': {'a': true}}}},"
	"  'context': {'from': 'template_context', 'parse': 'json', 'if_invalid': 'wrap'},"
	"  'extra': {'from': 'extra', 'parse': 'json'}}}";

static void check_head(const struct entity *entity)
{
	assert_string_equal(entity->source_schema, "lab");
	assert_string_equal(entity->source_table, "dispatch_instruction");
	assert_null(entity->source_query);
	assert_int_equal(entity->source_key.count, 1);
	assert_string_equal(entity->source_key.names[0], "id");
	assert_string_equal(entity->source_where, "NOT is_test");
	assert_string_equal(entity->target_schema, "public");
	assert_string_equal(entity->target_table, "orders");
	assert_string_equal(entity->target_key.names[0], "id");
	assert_string_equal(entity->legacy_key.names[0], "legacy_instruction_id");
	assert_int_equal(entity->detect.strategy, STRATEGY_TIMESTAMP);
	assert_string_equal(entity->detect.updated_at, "changed");
	assert_int_equal(entity->detect.overlap_ms, 30000);
	assert_int_equal(entity->identity.count, 2);
	assert_string_equal(entity->identity.names[1], "origin");
	assert_int_equal(entity->on_delete, ON_DELETE_MARK);
	assert_int_equal(entity->mark_count, 2);
	assert_string_equal(entity->marks[0].column, "is_active");
	assert_true(json_is_false(entity->marks[0].value));
	assert_true(json_is_null(entity->marks[1].value));
	assert_int_equal(entity->conflict.policy, ON_CONFLICT_LAST_WRITER_WINS);
	assert_true(entity->validate.says_steps);
	assert_int_equal(entity->validate.steps, VALIDATE_BEFORE | VALIDATE_AFTER);
	assert_int_equal(entity->validate.checks, 1 << 0 | 1 << 3);
	assert_false(entity->validate.says_stop);
	assert_string_equal(entity->conflict.source_time, "changed");
	assert_string_equal(entity->conflict.target_time, "edited");
	assert_int_equal(entity->uuid, UUID_RANDOM);
	assert_true(entity_mints_key(entity));
}

static void check_columns(const struct entity_set *set, const struct entity *entity)
{
	const struct column *column = entity->columns;

	assert_int_equal(entity->column_count, 11);
	assert_string_equal(column->name, "notes");
	assert_int_equal(column->kind, COLUMN_SOURCE);
	assert_string_equal(column->from.names[0], "remarks");
	assert_string_equal((++column)->from.names[0], "name");
	assert_int_equal(column->kind, COLUMN_SOURCE);

	column = entity_column(entity, "office_id");
	assert_int_equal(column->kind, COLUMN_REFERENCE);
	assert_ptr_equal(column->references[0].entity, entity_find(set, "offices"));
	assert_null(column->references[0].when);
	assert_int_equal(column->if_missing, IF_MISSING_NULL);
	assert_string_equal(column->path, "$.columns.office_id");

	column = entity_column(entity, "line_id");
	assert_int_equal(column->reference_count, 2);
	assert_string_equal(column->references[0].when, "kind = 1");
	assert_null(column->references[1].when);
	assert_ptr_equal(column->references[1].entity, entity_find(set, "lines"));
	assert_int_equal(column->from.count, 2);
	assert_int_equal(column->if_missing, IF_MISSING_PARK);

	column = entity_column(entity, "status");
	assert_int_equal(column->kind, COLUMN_VALUES);
	assert_int_equal(column->value_count, 2);
	assert_string_equal(column->values[1].from, "1");
	assert_int_equal(json_integer_value(column->values[1].to), 7);
	assert_true(json_is_null(column->default_value));

	assert_string_equal(entity_column(entity, "total")->sql, "price * quantity");
	assert_int_equal(entity_column(entity, "total")->kind, COLUMN_SQL);
	assert_string_equal(json_string_value(entity_column(entity, "kind")->constant), "order");
	assert_int_equal(entity_column(entity, "nothing")->kind, COLUMN_CONSTANT);
	assert_true(json_is_null(entity_column(entity, "nothing")->constant));
	assert_int_equal(entity_column(entity, "context")->kind, COLUMN_PARSE);
	assert_int_equal(entity_column(entity, "context")->if_invalid, IF_INVALID_WRAP);
	assert_int_equal(entity_column(entity, "extra")->if_invalid, IF_INVALID_DEAD_LETTER);
	assert_null(entity_column(entity, "id"));
}

static void check_members(const struct column *column)
{
	const struct column *members = column->members;

	assert_int_equal(column->kind, COLUMN_JSON);
	assert_int_equal(column->member_count, 4);
	assert_string_equal(members[0].name, "plan");
	assert_int_equal(members[0].kind, COLUMN_SOURCE);
	assert_int_equal(members[1].kind, COLUMN_CONSTANT);
	assert_int_equal(members[2].kind, COLUMN_JSON);
	assert_string_equal(members[2].members[0].sql, "now()");
	assert_string_equal(members[2].members[0].path, "$.columns.metadata.json.deep.json.x");
	assert_int_equal(members[3].kind, COLUMN_VALUES);
	assert_null(members[3].default_value);
}

static void test_good_entity_arrives_whole(void **state)
{
	struct config_files files;

	(void)state;
	setup_files(&files);
	config_files_write(&files, "entities.d/orders.json", good_entity);
	config_files_load(&files, NULL);
	assert_no_problem(&files);
	const struct entity *entity = entity_find(&files.config.entities, "orders");

	check_head(entity);
	check_columns(&files.config.entities, entity);
	check_members(entity_column(entity, "metadata"));
	assert_int_equal(entity->depth, 1);
	assert_true(entity_refers_to(entity, entity_find(&files.config.entities, "offices")));
	assert_false(entity_refers_to(entity, entity_find(&files.config.entities, "pairs")));
	config_files_done(&files);
}

static void test_what_may_be_left_out_has_defaults(void **state)
{
	struct config_files files;

	(void)state;
	setup_files(&files);
	config_files_write(
		&files, "entities.d/orders.json",
		"{'entity': 'orders',"
		" 'source': {'query': 'SELECT 1 AS a, 2 AS b', 'key': ['a', 'b']},"
		" 'target': {'table': 'orders', 'key': ['x', 'y'], 'legacy_key': ['la', 'lb']},"
		" 'columns': {'x': 'a', 'y': 'b'}}");
	config_files_load(&files, NULL);
	assert_no_problem(&files);
	const struct entity *entity = entity_find(&files.config.entities, "orders");

	assert_null(entity->source_schema);
	assert_null(entity->source_table);
	assert_null(entity->source_where);
	assert_string_equal(entity->source_query, "SELECT 1 AS a, 2 AS b");
	assert_int_equal(entity->source_key.count, 2);
	assert_int_equal(entity->legacy_key.count, 2);
	assert_string_equal(entity->target_schema, "public");
	assert_int_equal(entity->on_delete, ON_DELETE_IGNORE);
	assert_int_equal(entity->detect.strategy, STRATEGY_HYBRID);
	assert_null(entity->detect.updated_at);
	assert_int_equal(entity->detect.overlap_ms, 600000);
	assert_false(entity_mints_key(entity));
	config_files_done(&files);
}

/* One bad thing in an otherwise good entity; what is NULL is as it should be. `rest` ends with a
 * comma. */
static const struct {
	const char *entity, *source, *target, *rest, *columns;
	const char *path, *message;
} bad_rows[] = {
	/* the entity */
	{ .rest = "'colums': {},",
	  .path = "$",
	  .message = "unknown key 'colums' (did you mean 'columns'?)" },
	{ .entity = "Orders",
	  .path = "$.entity",
	  .message = "'Orders' is no name for an entity: a lower-case letter, then lower-case "
		     "letters, digits and '_', at most 48 bytes" },
	{ .entity = "a12345678901234567890123456789012345678901234567x",
	  .path = "$.entity",
	  .message =
		  "'a12345678901234567890123456789012345678901234567x' is no name for an entity: a "
		  "lower-case letter, then lower-case letters, digits and '_', at most 48 bytes" },
	{ .entity = "invoices",
	  .path = "$.entity",
	  .message = "the entity is 'invoices', but its file is called 'orders.json': they must "
		     "be the same" },
	{ .rest = "'uuid': 'v4',",
	  .path = "$.uuid",
	  .message = "expected 'random', 'v5', 'v7' or {'v5': 'NAMESPACE'}, found 'v4'" },
	{ .rest = "'uuid': 5,",
	  .path = "$.uuid",
	  .message = "expected 'random', 'v5', 'v7' or {'v5': 'NAMESPACE'}, found a number" },
	{ .rest = "'uuid': {},", .path = "$.uuid", .message = "'v5' is missing" },
	{ .rest = "'uuid': {'v5': 'here'},",
	  .path = "$.uuid.v5",
	  .message = "expected a UUID, which is the namespace of those that are made" },
	{ .rest = "'uuid': 'v7',",
	  .columns = "{'id': 'id'}",
	  .path = "$.uuid",
	  .message = "has no meaning: the key of the target is filled by 'columns'" },
	{ .rest = "'on_conflict': 'target_wins',",
	  .path = "$.on_conflict",
	  .message =
		  "expected 'source_wins', 'last_writer_wins', 'hold' or {'last_writer_wins': {…}}, "
		  "found 'target_wins'" },
	{ .rest = "'on_conflict': true,",
	  .path = "$.on_conflict",
	  .message =
		  "expected 'source_wins', 'last_writer_wins', 'hold' or {'last_writer_wins': {…}}, "
		  "found true" },
	{ .rest = "'on_conflict': {'last_writer_wins': {}, 'hold': true},",
	  .path = "$.on_conflict",
	  .message = "unknown key 'hold'" },
	{ .rest = "'on_conflict': {'last_writer_wins': {'legacy': 'changed'}},",
	  .path = "$.on_conflict.last_writer_wins",
	  .message = "unknown key 'legacy'" },
	{ .rest = "'on_conflict': {'last_writer_wins': {'source': ''}},",
	  .path = "$.on_conflict.last_writer_wins.source",
	  .message = "must not be empty" },
	{ .rest = "'validate': 'never',",
	  .path = "$.validate",
	  .message = "expected 'off', 'before', 'after' or 'both', found 'never'" },
	{ .rest = "'validate': {'steps': 'after', 'checks': ['counts', 'value']},",
	  .path = "$.validate.checks[1]",
	  .message = "expected 'counts', 'references', 'mappings', 'values' or 'rules'" },
	{ .rest = "'validate': {'checks': []},",
	  .path = "$.validate.checks",
	  .message = "names no check; 'steps': 'off' says that there are none" },
	{ .rest = "'validate': {'stop': 'yes'},",
	  .path = "$.validate.stop",
	  .message = "expected true or false, found a string" },
	{ .rest = "'identity': ['created_at', 'created_at'],",
	  .path = "$.identity[1]",
	  .message = "'created_at' stands here twice" },
	{ .rest = "'identity': [],",
	  .path = "$.identity",
	  .message = "the list of columns is empty" },
	{ .rest = "'identity': 'id',",
	  .path = "$.identity",
	  .message = "the column 'id' is part of the key of the source, so it is always the same: "
		     "name what tells two rows with the same key apart" },
	{ .rest = "'identity': 'created_at',",
	  .target = "{'table': 'orders', 'key': 'a'}",
	  .columns = "{'a': 'a'}",
	  .path = "$.identity",
	  .message =
		  "has no meaning where 'columns' fill the key of the target: a row whose id was "
		  "reused could not get another one" },
	/* the source */
	{ .source = "5", .path = "$.source", .message = "expected an object, found a number" },
	{ .source = "{'table': 't'}", .path = "$.source", .message = "'key' is missing" },
	{ .source = "{'key': 'id'}",
	  .path = "$.source",
	  .message = "'table' (or 'query') is missing" },
	{ .source = "{'tabel': 't', 'key': 'id'}",
	  .path = "$.source",
	  .message = "unknown key 'tabel' (did you mean 'table'?)" },
	{ .source = "{'table': 't', 'query': 'SELECT 1', 'key': 'id'}",
	  .path = "$.source",
	  .message = "'table' and 'query' contradict each other" },
	{ .source = "{'schema': 's', 'query': 'SELECT 1', 'key': 'id'}",
	  .path = "$.source",
	  .message = "'schema' has no meaning beside 'query': name it in the query" },
	{ .source = "{'table': 'lab.t', 'key': 'id'}",
	  .path = "$.source.table",
	  .message = "write 'schema': 'lab' and 'table': 't'" },
	{ .source = "{'table': 't', 'key': 5}",
	  .path = "$.source.key",
	  .message = "expected a column or a list of them, found a number" },
	{ .source = "{'table': 't', 'key': []}",
	  .path = "$.source.key",
	  .message = "the list of columns is empty" },
	{ .source = "{'table': 't', 'key': ['a', 5]}",
	  .path = "$.source.key[1]",
	  .message = "expected the name of a column, found a number" },
	{ .source = "{'table': 't', 'key': ['a', 'a']}",
	  .path = "$.source.key[1]",
	  .message = "'a' stands here twice" },
	{ .source = "{'table': 't', 'key': ''}",
	  .path = "$.source.key",
	  .message = "a name must not be empty" },
	{ .source = "{'table': 't', 'key': "
		    "'a123456789012345678901234567890123456789012345678901234567890123'}",
	  .path = "$.source.key",
	  .message =
		  "'a1234567890123456789…' is no name of PostgreSQL, which have at most 63 bytes" },
	{ .source = "{'table': 't', 'key': 'id', 'where': 'true; '}",
	  .path = "$.source.where",
	  .message = "must not end with ';': it becomes part of a longer statement" },
	{ .source = "{'query': '  ', 'key': 'id'}",
	  .path = "$.source.query",
	  .message = "must not be empty" },
	{ .source = "{'query': 'SELECT 1;', 'key': 'id'}",
	  .path = "$.source.query",
	  .message = "must not end with ';': it becomes part of a longer statement" },
	/* the target */
	{ .target = "{'key': 'id'}", .path = "$.target", .message = "'table' is missing" },
	{ .target = "{'table': 't'}", .path = "$.target", .message = "'key' is missing" },
	{ .target = "{'table': 'a.t', 'key': 'id'}",
	  .path = "$.target.table",
	  .message = "write 'schema': 'a' and 'table': 't'" },
	{ .target = "{'schema': 'migrated', 'table': 't', 'key': 'id'}",
	  .path = "$.target.schema",
	  .message = "'migrated' is the schema in which migrated keeps its own tables" },
	{ .target = "{'table': 't', 'key': ['code', 'other']}",
	  .path = "$.target.key",
	  .message = "the key column 'other' is not in 'columns': a key of several columns is "
		     "not minted, so each must be filled" },
	{ .target = "{'table': 't', 'key': 'id', 'legacy_key': ['a', 'b']}",
	  .path = "$.target.legacy_key",
	  .message = "has 2 columns, but the key of the source has 1" },
	{ .target = "{'table': 't', 'key': 'id', 'legacy_key': 'code'}",
	  .path = "$.target.legacy_key",
	  .message = "the column 'code' is also in 'columns': migrated fills it with the legacy "
		     "key, so leave it out there" },
	{ .target = "{'table': 't', 'key': 'id', 'legacy_key': 'id'}",
	  .path = "$.target.legacy_key",
	  .message = "the column 'id' is also the key of the target" },
	/* detection */
	{ .rest = "'detect': {'strategy': 'sweeep'},",
	  .path = "$.detect.strategy",
	  .message = "expected 'hybrid', 'sweep', 'timestamp', 'id' or 'xmin', "
		     "found 'sweeep' (did you mean 'sweep'?)" },
	{ .rest = "'detect': {'strategy': 'sweep', 'overlap': '10min'},",
	  .path = "$.detect.overlap",
	  .message = "has no meaning with the strategy 'sweep', which looks at no "
		     "time: leave it out, or write 'hybrid' or 'timestamp'" },
	{ .rest = "'detect': {'strategy': 'xmin', 'updated_at': 'u'},",
	  .path = "$.detect.updated_at",
	  .message = "has no meaning with the strategy 'xmin', which looks at no "
		     "time: leave it out, or write 'hybrid' or 'timestamp'" },
	{ .rest = "'detect': {'strategy': 'id', 'updated_at': 'u'},",
	  .path = "$.detect.updated_at",
	  .message = "has no meaning with the strategy 'id', which looks at no "
		     "time: leave it out, or write 'hybrid' or 'timestamp'" },
	{ .source = "{'table': 't', 'key': ['a', 'b']}",
	  .rest = "'detect': {'strategy': 'id'},",
	  .path = "$.detect.strategy",
	  .message = "'id' takes rows with a higher key than the last, but the key "
		     "has 2 columns: write 'hybrid', 'timestamp', 'xmin' or 'sweep'" },
	{ .source = "{'query': 'SELECT 1 AS id', 'key': 'id'}",
	  .rest = "'detect': {'strategy': 'xmin'},",
	  .path = "$.detect.strategy",
	  .message = "'xmin' is known of the rows of a table, not of those of a "
		     "query: write 'hybrid', 'timestamp', 'id' or 'sweep'" },
	{ .rest = "'detect': {'updated_at': ''},",
	  .path = "$.detect.updated_at",
	  .message = "must not be empty" },
	{ .rest = "'detect': {'overlap': '8d'},",
	  .path = "$.detect.overlap",
	  .message = "must be between 0s and 7d, found 8d" },
	{ .rest = "'detect': {'updated_at': 'u', 'overlap': 10},",
	  .path = "$.detect.overlap",
	  .message = "expected a duration with its unit, as in '30s', found a number" },
	{ .rest = "'detect': {'updated': 'u'},",
	  .path = "$.detect",
	  .message = "unknown key 'updated'" },
	/* deletes */
	{ .rest = "'on_delete': 'mark',",
	  .path = "$.on_delete",
	  .message = "'mark' needs to know the columns: {'mark': {'is_active': false}}" },
	{ .rest = "'on_delete': 'remove',",
	  .path = "$.on_delete",
	  .message = "expected 'ignore', 'delete' or {'mark': {…}}, found 'remove'" },
	{ .rest = "'on_delete': true,",
	  .path = "$.on_delete",
	  .message = "expected 'ignore', 'delete' or {'mark': {…}}, found true" },
	{ .rest = "'on_delete': {},", .path = "$.on_delete", .message = "'mark' is missing" },
	{ .rest = "'on_delete': {'mark': {}},",
	  .path = "$.on_delete.mark",
	  .message = "says no column to mark a row with" },
	{ .rest = "'on_delete': {'mark': {'a': []}},",
	  .path = "$.on_delete.mark.a",
	  .message = "expected a string, a number, true, false or null, found a list" },
	{ .rest = "'on_delete': {'mark': {'id': 1}},",
	  .path = "$.on_delete.mark.id",
	  .message = "is the key of the target: marking a row must not change it" },
	{ .target = "{'table': 't', 'key': 'id', 'legacy_key': 'lk'}",
	  .rest = "'on_delete': {'mark': {'lk': 1}},",
	  .path = "$.on_delete.mark.lk",
	  .message = "holds the legacy key: marking a row must not change it" },
	/* columns */
	{ .columns = "[]", .path = "$.columns", .message = "expected an object, found a list" },
	{ .columns = "{'a': 5}",
	  .path = "$.columns.a",
	  .message = "expected a column of the source or an object that says where the value "
		     "comes from, found a number" },
	{ .columns = "{'': 'a'}", .path = "$.columns['']", .message = "a name must not be empty" },
	{ .columns = "{'comment': 'what this is all about'}",
	  .path = "$.columns.comment",
	  .message = "among columns, 'comment' is a column of the target, and this is hardly "
		     "the name of one of the source: write a comment into the object of a "
		     "column, or outside 'columns'" },
	{ .columns = "{'a': {}}",
	  .path = "$.columns.a",
	  .message =
		  "says nothing of its value: write 'from', 'sql', 'constant', 'values', 'json', "
		  "'parse' or 'references'" },
	{ .columns = "{'a': {'form': 'b'}}",
	  .path = "$.columns.a",
	  .message = "unknown key 'form' (did you mean 'from'?)" },
	{ .columns = "{'a': {'sql': '1', 'constant': 1}}",
	  .path = "$.columns.a",
	  .message = "'sql' and 'constant' contradict each other: a column has one form" },
	{ .columns = "{'a': {'sql': '1', 'from': 'b'}}",
	  .path = "$.columns.a",
	  .message = "'from' has no meaning beside 'sql'" },
	{ .columns = "{'a': {'json': {'x': 'y'}, 'from': 'b'}}",
	  .path = "$.columns.a",
	  .message = "'from' has no meaning beside 'json'" },
	{ .columns = "{'a': {'from': ['b', 'c']}}",
	  .path = "$.columns.a.from",
	  .message = "expected one column, found a list of 2: only a reference to an entity "
		     "with several key columns has several" },
	{ .columns = "{'a': {'from': 'b', 'default': 1}}",
	  .path = "$.columns.a",
	  .message = "'default' has no meaning without 'values'" },
	{ .columns = "{'a': {'from': 'b', 'if_invalid': 'null'}}",
	  .path = "$.columns.a",
	  .message = "'if_invalid' has no meaning without 'parse'" },
	{ .columns = "{'a': {'from': 'b', 'if_missing': 'null'}}",
	  .path = "$.columns.a",
	  .message = "'if_missing' has no meaning without 'references'" },
	{ .columns = "{'a': {'sql': ''}}",
	  .path = "$.columns.a.sql",
	  .message = "must not be empty" },
	{ .columns = "{'a': {'sql': 'x;'}}",
	  .path = "$.columns.a.sql",
	  .message = "must not end with ';': it becomes part of a longer statement" },
	{ .columns = "{'a': {'constant': {}}}",
	  .path = "$.columns.a.constant",
	  .message = "expected a string, a number, true, false or null, found an object" },
	{ .columns = "{'a': {'values': {'1': 'x'}}}",
	  .path = "$.columns.a",
	  .message = "'values' needs 'from', the column of the source" },
	{ .columns = "{'a': {'from': 'b', 'values': {}}}",
	  .path = "$.columns.a.values",
	  .message = "the table of values is empty" },
	{ .columns = "{'a': {'from': 'b', 'values': ['x']}}",
	  .path = "$.columns.a.values",
	  .message = "expected an object, found a list" },
	{ .columns = "{'a': {'from': 'b', 'values': {'0': []}}}",
	  .path = "$.columns.a.values['0']",
	  .message = "expected a string, a number, true, false or null, found a list" },
	{ .columns = "{'a': {'from': 'b', 'parse': 'xml'}}",
	  .path = "$.columns.a.parse",
	  .message = "expected 'json', found 'xml'" },
	{ .columns = "{'a': {'from': 'b', 'parse': 'json', 'if_invalid': 'park'}}",
	  .path = "$.columns.a.if_invalid",
	  .message = "expected 'null', 'dead_letter' or 'wrap', found 'park'" },
	{ .columns = "{'a': {'json': {'x': {'references': 'offices', 'from': 'b'}}}}",
	  .path = "$.columns.a.json.x",
	  .message = "a reference cannot stand within 'json'" },
	{ .columns = "{'a': {'json': {'x': {'from': 'b', 'parse': 'json'}}}}",
	  .path = "$.columns.a.json.x",
	  .message = "'parse' cannot stand within 'json'" },
	/* references */
	{ .columns = "{'a': {'references': 'offices'}}",
	  .path = "$.columns.a",
	  .message = "'references' needs 'from', the column of the source" },
	{ .columns = "{'a': {'references': 'ofices', 'from': 'b'}}",
	  .path = "$.columns.a.references",
	  .message = "there is no entity 'ofices' (did you mean 'offices'?)" },
	{ .columns = "{'a': {'references': 'zebras', 'from': 'b'}}",
	  .path = "$.columns.a.references",
	  .message = "there is no entity 'zebras'" },
	{ .columns = "{'a': {'references': 'lines', 'from': 'b'}}",
	  .path = "$.columns.a.from",
	  .message = "has 1 column, but the source key of 'lines' has 2" },
	{ .columns = "{'a': {'references': 'offices', 'from': ['b', 'c']}}",
	  .path = "$.columns.a.from",
	  .message = "has 2 columns, but the source key of 'offices' has 1" },
	{ .columns = "{'a': {'references': 'pairs', 'from': 'b'}}",
	  .path = "$.columns.a.references",
	  .message = "'pairs' cannot be referred to: the key of its target has 2 columns" },
	{ .columns = "{'a': {'references': [], 'from': 'b'}}",
	  .path = "$.columns.a.references",
	  .message = "expected an entity or a list of {'entity', 'when'}, found an empty list" },
	{ .columns = "{'a': {'references': 5, 'from': 'b'}}",
	  .path = "$.columns.a.references",
	  .message = "expected an entity or a list of {'entity', 'when'}, found a number" },
	{ .columns = "{'a': {'references': [{'when': 'x'}], 'from': 'b'}}",
	  .path = "$.columns.a.references[0]",
	  .message = "'entity' is missing" },
	{ .columns =
		  "{'a': {'references': [{'entity': 'offices'}, {'entity': 'lines', 'when': 'x'}], "
		  "'from': ['b']}}",
	  .path = "$.columns.a.references[0]",
	  .message = "'when' is missing: without it the alternatives after this one are never "
		     "reached" },
	{ .columns = "{'a': {'references': [{'entity': 'offices', 'when': 'x;'}], 'from': 'b'}}",
	  .path = "$.columns.a.references[0].when",
	  .message = "must not end with ';': it becomes part of a longer statement" },
	{ .columns = "{'a': {'references': [{'entity': 'offices', 'when': 'x'}, {'entity': "
		     "'nobody'}], 'from': 'b'}}",
	  .path = "$.columns.a.references[1].entity",
	  .message = "there is no entity 'nobody'" },
	{ .columns = "{'a': {'references': 'offices', 'from': 'b', 'if_missing': 'parked'}}",
	  .path = "$.columns.a.if_missing",
	  .message = "expected 'park', 'null' or 'dead_letter', found 'parked' (did you mean "
		     "'park'?)" },
};

static const char *or_else(const char *text, const char *fallback)
{
	return text ? text : fallback;
}

static void test_bad_entities_are_named(void **state)
{
	struct config_files files;

	(void)state;
	setup_files(&files);
	for (size_t i = 0; i < sizeof bad_rows / sizeof bad_rows[0]; i++) {
		_cleanup_free_ char *json = text_format(
			"{'entity': '%s', 'source': %s, 'target': %s, %s 'columns': %s}",
			or_else(bad_rows[i].entity, "orders"),
			or_else(bad_rows[i].source, "{'table': 't', 'key': 'id'}"),
			or_else(bad_rows[i].target, "{'table': 't', 'key': 'id'}"),
			or_else(bad_rows[i].rest, ""),
			or_else(bad_rows[i].columns, "{'code': 'c'}"));
		_cleanup_free_ char *path = double_quoted(bad_rows[i].path);

		config_files_write(&files, "entities.d/orders.json", json);
		config_files_load(&files, NULL);
		assert_problem(&files, 0, "entities.d/orders.json", path, bad_rows[i].message);
		if (strncmp(bad_rows[i].message, "'when' is missing", 17) != 0)
			assert_int_equal(files.problems.count, 1);
	}
	config_files_done(&files);
}

static void test_all_problems_of_an_entity_are_named_at_once(void **state)
{
	struct config_files files;

	(void)state;
	setup_files(&files);
	config_files_write(
		&files, "entities.d/orders.json",
		"{'entity': 'orders', 'source': {'table': 't', 'key': 5}, 'target': {'table': 't',"
		" 'key': 'id'}, 'columns': {'a': {'form': 'x', 'sql': '1', 'json': {}},"
		" 'b': {'references': 'ofices', 'from': 'c'}}, 'extra': 1}");
	config_files_load(&files, NULL);
	assert_int_equal(files.problems.count, 5);
	assert_problem(&files, 0, "entities.d/orders.json", "$.source.key",
		       "expected a column or a list of them, found a number");
	assert_problem(&files, 1, "entities.d/orders.json", "$.columns.a",
		       "unknown key 'form' (did you mean 'from'?)");
	assert_problem(&files, 2, "entities.d/orders.json", "$.columns.a",
		       "'sql' and 'json' contradict each other: a column has one form");
	assert_problem(&files, 3, "entities.d/orders.json", "$", "unknown key 'extra'");
	assert_problem(&files, 4, "entities.d/orders.json", "$.columns.b.references",
		       "there is no entity 'ofices' (did you mean 'offices'?)");
	config_files_done(&files);
}

static void test_empty_entity_says_what_is_missing(void **state)
{
	static const char *const messages[] = { "'entity' is missing", "'source' is missing",
						"'target' is missing", "'columns' is missing" };
	struct config_files files;

	(void)state;
	setup_files(&files);
	config_files_write(&files, "entities.d/orders.json", "{}");
	config_files_load(&files, NULL);
	assert_int_equal(files.problems.count, 4);
	for (size_t i = 0; i < 4; i++)
		assert_problem(&files, i, "entities.d/orders.json", "$", messages[i]);
	config_files_done(&files);
}

static void test_json_nested_too_deeply_is_named(void **state)
{
	_cleanup_text_ struct text columns = TEXT_INIT;
	struct config_files files;

	(void)state;
	setup_files(&files);
	text_append(&columns, "'a': ");
	for (int i = 0; i < 18; i++)
		text_append(&columns, "{'json': {'x': ");
	text_append(&columns, "'y'");
	for (int i = 0; i < 18; i++)
		text_append(&columns, "}}");
	config_files_write_entity(&files, "orders", text_string(&columns));
	config_files_load(&files, NULL);
	assert_int_equal(files.problems.count, 1);
	assert_string_equal(files.problems.problems[0].message,
			    "\"json\" is nested too deeply: at most 16 levels");
	config_files_done(&files);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_good_entity_arrives_whole),
		cmocka_unit_test(test_what_may_be_left_out_has_defaults),
		cmocka_unit_test(test_bad_entities_are_named),
		cmocka_unit_test(test_all_problems_of_an_entity_are_named_at_once),
		cmocka_unit_test(test_empty_entity_says_what_is_missing),
		cmocka_unit_test(test_json_nested_too_deeply_is_named),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
