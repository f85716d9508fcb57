// Who may do what on the control socket: every identity against every method.
#include "tests/unit/control_world.h"

#include <grp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common/clock.h"
#include "common/command.h"
#include "control/credentials.h"

/* Two groups that every system has; what they are called does not matter. */
#define OBSERVE_GID 1
#define OPERATE_GID 2
#define OTHER_GID 3

enum may { MAY_NOTHING, MAY_OBSERVE, MAY_OPERATE };

struct identity {
	const char *name;
	uid_t uid;
	gid_t gid;
	gid_t groups[3];
	size_t group_count;
	bool unknown; // the kernel will not say
	enum may may;
};

static const struct identity identities[] = {
	{ "root", 0, 0, { 0 }, 0, false, MAY_OPERATE },
	{ "operator by group", 1001, OPERATE_GID, { 0 }, 0, false, MAY_OPERATE },
	{ "operator by further group",
	  1001,
	  100,
	  { OTHER_GID, OPERATE_GID },
	  2,
	  false,
	  MAY_OPERATE },
	{ "operator and observer", 1001, 100, { OBSERVE_GID, OPERATE_GID }, 2, false, MAY_OPERATE },
	{ "observer by group", 1001, OBSERVE_GID, { 0 }, 0, false, MAY_OBSERVE },
	{ "observer by further group", 1001, 100, { OBSERVE_GID }, 1, false, MAY_OBSERVE },
	{ "stranger", 1001, 100, { OTHER_GID }, 1, false, MAY_NOTHING },
	{ "stranger in root's group", 1001, 0, { 0 }, 1, false, MAY_NOTHING },
	{ "nobody", 65534, 65534, { 0 }, 0, false, MAY_NOTHING },
	{ "stranger with the number that means no group",
	  1001,
	  (gid_t)-1,
	  { (gid_t)-1 },
	  1,
	  false,
	  MAY_NOTHING },
};

static const struct identity *present;

static bool present_credentials(int fd, struct control_credentials *ret_credentials)
{
	(void)fd;
	if (present->unknown)
		return false;
	*ret_credentials = (struct control_credentials){
		.uid = present->uid,
		.gid = present->gid,
		.pid = 1,
		.groups = malloc(sizeof present->groups),
		.group_count = present->group_count,
	};
	memcpy(ret_credentials->groups, present->groups, sizeof present->groups);
	return true;
}

static int setup(void **state)
{
	struct world *world = malloc(sizeof *world);

	world_init(world);
	world->settings.credentials = present_credentials;
	*state = world;
	return 0;
}

static int teardown(void **state)
{
	world_done(*state);
	free(*state);
	return 0;
}

static void name_groups(struct world *world, char *observe, char *operate, size_t size)
{
	snprintf(observe, size, "%s", getgrgid(OBSERVE_GID)->gr_name);
	snprintf(operate, size, "%s", getgrgid(OPERATE_GID)->gr_name);
	world->settings.observe_group = observe;
	world->settings.operate_group = operate;
}

// The answer's error, or "" when there is none; the methods' stand-ins may hold the call, which is
// let go.
static void call_as(struct world *world, const struct identity *identity, const char *method,
		    char *ret_error, size_t size)
{
	_cleanup_text_ struct text call = TEXT_INIT;
	int entered = world->entered;

	present = identity;
	world->held = NULL;
	varlink_append_call(&call, method, NULL, false, false);
	int fd = world_connect(world);

	world_send(world, fd, call.data, call.length);
	for (int i = 0; i < 5; i++)
		world_turn(world);
	if (world->held)
		control_call_reply(world->held, NULL);
	json_auto_t *answer = world_receive(world, fd);

	snprintf(ret_error, size, "%s",
		 json_is_string(json_object_get(answer, "error"))
			 ? json_string_value(json_object_get(answer, "error"))
			 : "");
	if (strcmp(ret_error, "io.migrated.PermissionDenied") == 0)
		assert_int_equal(world->entered, entered);
	close(fd);
	world_wait(world, control_peer_count(world->control) == 0);
}

static void check_method(struct world *world, const struct identity *identity, enum may may,
			 const char *method, enum access access)
{
	enum may needed = access == ACCESS_OPERATE ? MAY_OPERATE : MAY_OBSERVE;
	char error[128];

	call_as(world, identity, method, error, sizeof error);
	bool denied = strcmp(error, "io.migrated.PermissionDenied") == 0;

	if (denied != (may < needed))
		fail_msg("%s, %s: %s", identity->name, method, denied ? "denied" : "allowed");
}

static void check_matrix(struct world *world, bool groups_known)
{
	for (size_t i = 0; i < sizeof identities / sizeof identities[0]; i++) {
		const struct identity *identity = &identities[i];
		enum may may = groups_known || identity->uid == 0 ? identity->may : MAY_NOTHING;

		for (size_t j = 0; j < command_count; j++)
			check_method(world, identity, may, commands[j].method, commands[j].access);
		for (const struct option_method *other = option_methods; other->method; other++)
			check_method(world, identity, may, other->method, other->access);
	}
}

static void test_every_identity_may_call_what_it_may_and_nothing_else(void **state)
{
	struct world *world = *state;
	char observe[64], operate[64];

	name_groups(world, observe, operate, sizeof observe);
	world_listen(world);
	check_matrix(world, true);
	assert_in_range(world->paused, 1, 100);
}

static void test_groups_the_system_does_not_know_let_nobody_in(void **state)
{
	struct world *world = *state;

	world->settings.observe_group = "no-such-group-here";
	world->settings.operate_group = "";
	world_listen(world);
	check_matrix(world, false);
}

static void test_groups_that_are_not_named_let_nobody_in(void **state)
{
	struct world *world = *state;

	world_listen(world);
	check_matrix(world, false);
}

static void test_the_user_we_run_as_may_operate_whoever_that_is(void **state)
{
	static const struct access_groups none = { (gid_t)-1, (gid_t)-1 };
	struct control_credentials somebody = { .uid = 1234, .gid = OTHER_GID };
	uid_t before = geteuid();

	(void)state;
	assert_int_equal(credentials_standing(&somebody, &none), STANDING_STRANGER);
	if (seteuid(1234) == 0) {
		assert_int_equal(credentials_standing(&somebody, &none), STANDING_OPERATOR);
		assert_int_equal(seteuid(before), 0);
	}
	somebody.uid = before;
	assert_int_equal(credentials_standing(&somebody, &none), STANDING_OPERATOR);
}

static void test_our_own_user_may_operate(void **state)
{
	struct world *world = *state;
	struct identity ours = { .name = "our user", .uid = geteuid(), .gid = OTHER_GID };
	char error[128];

	world_listen(world);
	call_as(world, &ours, "io.migrated.Pause", error, sizeof error);
	assert_string_equal(error, "");
	// The same by what the kernel says of this very process.
	control_free(world->control);
	world->settings.credentials = NULL;
	world_listen(world);
	call_as(world, &ours, "io.migrated.Pause", error, sizeof error);
	assert_string_equal(error, "");
	assert_int_equal(world->paused, 2);
}

static void test_a_refusal_says_what_is_needed_and_ends_a_strangers_connection(void **state)
{
	struct world *world = *state;
	static const struct identity stranger = { .name = "stranger", .uid = 1001, .gid = 100 };
	int fd;

	world_listen(world);
	present = &stranger;
	fd = world_connect(world);
	world_send_text(world, fd, "{\"method\":\"io.migrated.Cancel\"}");
	world_send_text(world, fd, "{\"method\":\"io.migrated.Status\"}");
	world_expect(world, fd,
		     "{\"error\":\"io.migrated.PermissionDenied\",\"parameters\":"
		     "{\"method\":\"io.migrated.Cancel\",\"needs\":\"operate\"}}");
	world_expect_closed(world, fd);
	close(fd);
}

static void test_strangers_learn_nothing_and_take_nobodys_place(void **state)
{
	struct world *world = *state;
	static const struct identity stranger = { .name = "stranger", .uid = 1001, .gid = 100 };
	static const struct identity root = { .name = "root" };
	static const char *const methods[] = { "org.varlink.service.GetInfo", "io.migrated.Nope",
					       "io.other.Nope" };
	char error[128];
	int fds[40];

	world->settings.max_peers = 1;
	world_listen(world);
	for (size_t i = 0; i < sizeof methods / sizeof methods[0]; i++) {
		call_as(world, &stranger, methods[i], error, sizeof error);
		assert_string_equal(error, "io.migrated.PermissionDenied");
	}
	present = &stranger;
	for (int i = 0; i < 40; i++)
		fds[i] = world_connect(world);
	for (int i = 0; i < 10; i++)
		world_turn(world);
	assert_int_equal(control_peer_count(world->control), 0);
	json_auto_t *refusal = world_receive(world, fds[39]); // beyond the few who are heard

	assert_string_equal(json_string_value(json_object_get(refusal, "error")),
			    "io.migrated.TooManyPeers");
	call_as(world, &root, "io.migrated.Status", error, sizeof error);
	assert_string_equal(error, "");
	for (int i = 0; i < 40; i++)
		close(fds[i]);
}

static void test_who_has_no_credentials_is_turned_away(void **state)
{
	struct world *world = *state;
	static const struct identity unknown = { .name = "unknown", .unknown = true };
	int fd;

	world_listen(world);
	present = &unknown;
	fd = world_connect(world);
	world_expect_closed(world, fd);
	close(fd);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
	const struct CMUnitTest tests[] = {
		TEST(test_every_identity_may_call_what_it_may_and_nothing_else),
		TEST(test_groups_the_system_does_not_know_let_nobody_in),
		TEST(test_groups_that_are_not_named_let_nobody_in),
		TEST(test_the_user_we_run_as_may_operate_whoever_that_is),
		TEST(test_our_own_user_may_operate),
		TEST(test_a_refusal_says_what_is_needed_and_ends_a_strangers_connection),
		TEST(test_strangers_learn_nothing_and_take_nobodys_place),
		TEST(test_who_has_no_credentials_is_turned_away),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
