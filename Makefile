# Builds migrated (the daemon) and migratectl (its client), and runs everything that checks them.
# `make help` lists what can be made. What one may wish to set:
#
#   CC=clang                     another compiler; gcc unless said otherwise
#   SAN=address,undefined        with sanitizers
#   WERROR=1                     warnings are errors (also with CI=true)
#   CFLAGS, LDFLAGS              optimisation and whatever else is wanted; -O2 -g unless said otherwise
#   FAULTS=1                     with the places where tests have the daemon fail (daemon/base/fault.h)
#   BUILD_DIR=DIR                where everything made is put; each CC, SAN and FAULTS has a place of its own
#   TESTS=test_text ARGS='-k x'  only these unit tests; further arguments for pytest
#   ROOMS="base config"          only these rooms in libdaemon.a, to test one while another is in pieces
#   PREFIX=/usr/local DESTDIR=   where `make install` puts things
#   SCALE=10 SEED=42 KEEP=1      size and seed of the demo's data; leave the demo's servers running

VERSION := 0.1.0
MAKEFLAGS += --no-builtin-rules

ifeq ($(origin CC),default)
CC := gcc
endif
CFLAGS ?= -O2 -g
LDFLAGS ?=
SAN ?=
FAULTS ?=
PREFIX ?= /usr/local
DESTDIR ?=
SYSCONFDIR ?= /etc

empty :=
space := $(empty) $(empty)
variant := $(subst $(space),-,$(strip $(filter-out gcc cc,$(notdir $(CC))) $(SAN)))
BUILD_DIR ?= build$(addprefix /,$(variant))$(if $(FAULTS),/faults)
GEN := $(BUILD_DIR)/gen
OBJ := $(BUILD_DIR)/obj

# The tests, the demo and the benchmarks run what this make has built.
export BUILD_DIR
# Time limits of the tests are multiplied by this.
export SLOWNESS := $(if $(SAN),4,1)
PYTHON := /usr/bin/python3

# --- compiler and linker ----------------------------------------------------------------------

WARNINGS := -Wall -Wextra -Wshadow -Wstrict-prototypes -Wmissing-prototypes
ifneq ($(filter 1 true,$(WERROR) $(CI)),)
WARNINGS += -Werror
endif

ifeq ($(SAN),)
PROTECTION := -fstack-protector-strong -U_FORTIFY_SOURCE -D_FORTIFY_SOURCE=2 -fPIE
LINK_PROTECTION := -pie -Wl,-z,relro,-z,now -Wl,--as-needed
else
PROTECTION := -fsanitize=$(SAN) -fno-sanitize-recover=all -fno-omit-frame-pointer
LINK_PROTECTION := -fsanitize=$(SAN)
endif

COMPILE := $(CC) -std=c17 -D_GNU_SOURCE -DMIGRATED_VERSION=\"$(VERSION)\" \
	$(if $(FAULTS),-DFAULTS) $(WARNINGS) $(PROTECTION) $(CFLAGS) $(CPPFLAGS)
LINK := $(CC) $(CFLAGS) $(PROTECTION) $(LINK_PROTECTION) $(LDFLAGS)

DAEMON_PACKAGES := libpq libevent_core libevent_extra jansson uuid libsystemd
CTL_PACKAGES := jansson uuid
pkg_config = $(shell pkg-config $(1) 2>/dev/null)
PACKAGES_CFLAGS := $(call pkg_config,--cflags $(DAEMON_PACKAGES))
DAEMON_LIBS := $(call pkg_config,--libs $(DAEMON_PACKAGES)) -lm
CTL_LIBS := $(call pkg_config,--libs $(CTL_PACKAGES)) -lm
TEST_LIBS := $(call pkg_config,--libs cmocka)

# --- sources ----------------------------------------------------------------------------------

ifeq ($(origin ROOMS),command line)
DAEMON_SOURCES := $(wildcard $(ROOMS:%=daemon/%/*.c))
SQL_FILES := $(wildcard $(ROOMS:%=daemon/%/*.sql))
else
DAEMON_SOURCES := $(wildcard daemon/*.c daemon/*/*.c)
SQL_FILES := $(wildcard daemon/*/*.sql)
endif
COMMON_SOURCES := $(wildcard common/*.c)
CTL_SOURCES := $(wildcard ctl/*.c)
VARLINK_FILES := $(wildcard common/*.varlink)
PAGE_FILES := $(wildcard ctl/*.html)
SCHEMA_FILES := $(sort $(wildcard daemon/store/schema/*.sql))
TEST_SOURCES := $(wildcard tests/unit/test_*.c)
TEST_HELPER_SOURCES := $(filter-out $(TEST_SOURCES),$(wildcard tests/unit/*.c))

# Text that is built in: daemon/ROOM/*.sql is sql_ROOM, and so on; see scripts/embed.awk.
SQL_ROOMS := $(sort $(foreach file,$(SQL_FILES),$(word 2,$(subst /, ,$(file)))))
DAEMON_EMBEDDED := $(SQL_ROOMS:%=$(GEN)/sql_%) $(if $(SCHEMA_FILES),$(GEN)/sql_store_schema)
COMMON_EMBEDDED := $(if $(VARLINK_FILES),$(GEN)/interface)
CTL_EMBEDDED := $(if $(PAGE_FILES),$(GEN)/page)

object = $(patsubst %.c,$(OBJ)/%.o,$(1))
embedded_object = $(patsubst $(GEN)/%,$(OBJ)/gen/%.o,$(1))
COMMON_OBJECTS := $(call object,$(COMMON_SOURCES)) $(call embedded_object,$(COMMON_EMBEDDED))
DAEMON_OBJECTS := $(call object,$(DAEMON_SOURCES)) $(call embedded_object,$(DAEMON_EMBEDDED))
CTL_OBJECTS := $(call object,$(CTL_SOURCES)) $(call embedded_object,$(CTL_EMBEDDED))
TEST_HELPER_OBJECTS := $(call object,$(TEST_HELPER_SOURCES))

LIBCOMMON := $(BUILD_DIR)/libcommon.a
LIBDAEMON := $(BUILD_DIR)/libdaemon.a
LIBCTL := $(BUILD_DIR)/libctl.a
LIBTEST := $(BUILD_DIR)/libtest.a
PROGRAMS := $(if $(wildcard daemon/main.c),$(BUILD_DIR)/migrated) \
	$(if $(wildcard ctl/main.c),$(BUILD_DIR)/migratectl)
UNIT_TESTS := $(TEST_SOURCES:tests/unit/%.c=$(BUILD_DIR)/unit/%)

# --- the programs -----------------------------------------------------------------------------

.PHONY: all
all: $(PROGRAMS) ## build the daemon and the client

$(BUILD_DIR)/migrated: $(OBJ)/daemon/main.o $(LIBDAEMON) $(LIBCOMMON)
	@echo "  link     $@"
	@$(LINK) -o $@ $^ $(DAEMON_LIBS)

$(BUILD_DIR)/migratectl: $(OBJ)/ctl/main.o $(LIBCTL) $(LIBCOMMON)
	@echo "  link     $@"
	@$(LINK) -o $@ $^ $(CTL_LIBS)

$(LIBCOMMON): $(COMMON_OBJECTS)
$(LIBDAEMON): $(filter-out $(OBJ)/daemon/main.o,$(DAEMON_OBJECTS))
$(LIBCTL): $(filter-out $(OBJ)/ctl/main.o,$(CTL_OBJECTS))
$(LIBTEST): $(TEST_HELPER_OBJECTS)
$(BUILD_DIR)/lib%.a: $(BUILD_DIR)/sources
	@rm -f $@
	@$(AR) rcs $@ $(filter %.o,$^)

INCLUDES := -I. -I$(GEN)
$(OBJ)/daemon/%.o $(OBJ)/tests/%.o: INCLUDES += -Idaemon
$(OBJ)/%.o: %.c $(BUILD_DIR)/flags
	@mkdir -p $(@D)
	@echo "  compile  $<"
	@$(COMPILE) $(INCLUDES) $(PACKAGES_CFLAGS) -MMD -MP -c -o $@ $<

$(OBJ)/gen/%.o: $(GEN)/%.c $(BUILD_DIR)/flags
	@mkdir -p $(@D)
	@$(COMPILE) $(INCLUDES) -MMD -MP -c -o $@ $<

# Generated headers stand before anything is compiled; afterwards the .d files know who uses which.
$(COMMON_OBJECTS) $(CTL_OBJECTS): | $(COMMON_EMBEDDED:%=%.h)
$(CTL_OBJECTS): | $(CTL_EMBEDDED:%=%.h)
$(DAEMON_OBJECTS) $(TEST_HELPER_OBJECTS): | $(COMMON_EMBEDDED:%=%.h) $(DAEMON_EMBEDDED:%=%.h)
$(call object,$(TEST_SOURCES)): | $(COMMON_EMBEDDED:%=%.h) $(DAEMON_EMBEDDED:%=%.h)
-include $(wildcard $(OBJ)/*/*.d $(OBJ)/*/*/*.d)

# --- text that is built in --------------------------------------------------------------------

EMBED := scripts/embed.awk $(BUILD_DIR)/texts
run_embed = @mkdir -p $(@D) && awk -v room=$(2) -v kind=$(1) -v form=$(patsubst .%,%,$(suffix $@)) \
	-f scripts/embed.awk $(filter-out $(EMBED),$^) >$@

.SECONDEXPANSION:
$(GEN)/sql_store_schema.h $(GEN)/sql_store_schema.c: $(SCHEMA_FILES) $(EMBED)
	$(call run_embed,schema,store)
$(GEN)/sql_%.h: $$(sort $$(wildcard daemon/$$*/*.sql)) $(EMBED)
	$(call run_embed,queries,$*)
$(GEN)/sql_%.c: $$(sort $$(wildcard daemon/$$*/*.sql)) $(EMBED)
	$(call run_embed,queries,$*)
$(GEN)/interface.h $(GEN)/interface.c: $(VARLINK_FILES) $(EMBED)
	$(call run_embed,interface,common)
$(GEN)/page.h $(GEN)/page.c: $(PAGE_FILES) $(EMBED)
	$(call run_embed,page,ctl)

# --- what was built with what -----------------------------------------------------------------

# Small files that change only when what they list does: other flags recompile everything, a source
# that has come or gone remakes the archives, a text that has come or gone what is embedded.
write_if_changed = @mkdir -p $(@D); echo '$(1)' | cmp -s - $@ || echo '$(1)' >$@

$(BUILD_DIR)/flags: FORCE
	@pkg-config --print-errors --exists $(DAEMON_PACKAGES) || \
		{ echo "A library is missing: make deps installs it." >&2; exit 1; }
	$(call write_if_changed,$(COMPILE) $(LINK))
$(BUILD_DIR)/sources: FORCE
	$(call write_if_changed,$(COMMON_OBJECTS) $(DAEMON_OBJECTS) $(CTL_OBJECTS) $(TEST_HELPER_OBJECTS))
$(BUILD_DIR)/texts: FORCE
	$(call write_if_changed,$(SQL_FILES) $(SCHEMA_FILES) $(VARLINK_FILES) $(PAGE_FILES))

.PHONY: FORCE
FORCE:
.DELETE_ON_ERROR:
.SECONDARY:

# --- checks -----------------------------------------------------------------------------------

.PHONY: check check-quick check-long check-update deps unit unit-programs integration lint format
check: deps ## everything a change must pass; installs what is missing first
	@$(MAKE) --no-print-directory all unit-programs
	@$(MAKE) --no-print-directory lint
	@$(MAKE) --no-print-directory unit
	@$(MAKE) --no-print-directory integration

check-quick: unit-programs ## lint and the unit tests
	@$(MAKE) --no-print-directory lint
	@$(MAKE) --no-print-directory unit

check-long: ## as check, with the tests that take minutes, of installing, the Debian package, and every shell's completion
	@scripts/install-deps debhelper lintian zsh fish
	@$(MAKE) --no-print-directory check MARKS=

check-update: deps ## rewrite the golden files from what the programs say now; review the diff
	@UPDATE_GOLDEN=1 $(MAKE) --no-print-directory all unit
	@UPDATE_GOLDEN=1 $(PYTHON) -m pytest tests/integration -m golden $(ARGS) || test $$? -eq 5

deps: ## install what is missing of compiler, libraries, servers and test tools
	@scripts/install-deps

unit: unit-programs ## the unit tests; TESTS="test_text test_uuid" runs only these
	@tests/unit/run $(if $(TESTS),$(TESTS:%=$(BUILD_DIR)/unit/%),$(UNIT_TESTS))

unit-programs: $(if $(TESTS),$(TESTS:%=$(BUILD_DIR)/unit/%),$(UNIT_TESTS))
	@:

# The daemon and the client each bring their own sink of common/log.h, so a test links one of them.
# A test asks for further linker flags in a line `// link: -Wl,--wrap=clock_gettime`.
link_test = @mkdir -p $(@D) && $(LINK) -o $@ $(filter %.o %.a,$^) \
	$(shell sed -n 's|^// link: ||p' tests/unit/$(@F).c) $(1) $(TEST_LIBS)
$(BUILD_DIR)/unit/test_ctl_%: $(OBJ)/tests/unit/test_ctl_%.o $(LIBTEST) $(LIBCTL) $(LIBCOMMON)
	$(call link_test,$(CTL_LIBS))
$(BUILD_DIR)/unit/%: $(OBJ)/tests/unit/%.o $(LIBTEST) $(LIBDAEMON) $(LIBCOMMON)
	$(call link_test,$(DAEMON_LIBS))

# The daemon that fails where tests want it to.
.PHONY: faulty
faulty:
	@$(MAKE) --no-print-directory FAULTS=1 BUILD_DIR=$(BUILD_DIR)/faults $(BUILD_DIR)/faults/migrated

# Most of a test is waiting, so there are more of them at a time than processors.
MARKS = not long
WORKERS ?= 3
integration: all faulty ## the tests against real servers; ARGS="-k resume" chooses, WORKERS=0 runs one after the other
	@$(PYTHON) -m pytest tests/integration -n $(WORKERS) -m "$(MARKS)" $(ARGS)

lint: ## layering, sizes, format and what cppcheck finds
	@tests/lint/lint

format: ## put the C sources into the house's format
	@clang-format -i $(wildcard common/*.[ch] daemon/*.[ch] daemon/*/*.[ch] ctl/*.[ch] tests/unit/*.[ch])

# --- seeing it work ---------------------------------------------------------------------------

.PHONY: demo bench
demo: deps ## the whole story on two throw-away servers (SCALE=10, KEEP=1)
	@$(MAKE) --no-print-directory all
	@tests/demo/demo

bench: deps ## speed against floors and peers of the same run (SCALE=0.1, ARGS="--only sweep")
	@$(MAKE) --no-print-directory all
	@tests/bench/bench $(ARGS)

# --- installing -------------------------------------------------------------------------------

SBINDIR := $(PREFIX)/sbin
LIBDIR := $(PREFIX)/lib
UNITDIR ?= $(LIBDIR)/systemd/system
SHAREDIR := $(PREFIX)/share
CONFDIR := $(SYSCONFDIR)/migrated
MAN_PAGES := $(wildcard daemon/*.8 daemon/*.5 daemon/*/*.5 ctl/*.1)
UNITS := $(wildcard systemd/*.service systemd/*.socket systemd/*.timer)

# Each file as SOURCE:DESTINATION. What is in CONFDIR is the administrator's; the clinic is an example.
INSTALLED_PROGRAMS := \
	$(BUILD_DIR)/migrated:$(SBINDIR)/migrated \
	$(BUILD_DIR)/migratectl:$(PREFIX)/bin/migratectl
# $(call place,PATTERN,DIRECTORY,SUFFIX): the files of PATTERN go to DIRECTORY, their suffix becoming SUFFIX.
place = $(foreach file,$(wildcard $(1)),$(file):$(2)/$(notdir $(file:$(suffix $(1))=$(3))))
INSTALLED_FILES := \
	$(foreach page,$(MAN_PAGES),$(page):$(SHAREDIR)/man/man$(subst .,,$(suffix $(page)))/$(notdir $(page))) \
	$(foreach kind,service socket timer,$(call place,systemd/*.$(kind),$(UNITDIR),.$(kind))) \
	$(call place,systemd/*.sysusers,$(LIBDIR)/sysusers.d,.conf) \
	$(call place,systemd/*.tmpfiles,$(LIBDIR)/tmpfiles.d,.conf) \
	$(call place,systemd/*.catalog,$(LIBDIR)/systemd/catalog,.catalog) \
	ctl/completion/migratectl.bash:$(SHAREDIR)/bash-completion/completions/migratectl \
	ctl/completion/_migratectl:$(SHAREDIR)/zsh/site-functions/_migratectl \
	ctl/completion/migratectl.fish:$(SHAREDIR)/fish/vendor_completions.d/migratectl.fish \
	$(call place,README.md OPERATIONS.md CHANGELOG.md,$(SHAREDIR)/doc/migrated,.md) \
	$(foreach file,$(sort $(shell find etc -type f)),$(file):$(SHAREDIR)/doc/migrated/examples/$(file:etc/%=%))
OWN_DIRECTORIES := $(DESTDIR)$(SHAREDIR)/doc/migrated
install_file = install -D -m $(2) $(firstword $(subst :, ,$(1))) $(DESTDIR)$(lastword $(subst :, ,$(1)))

# Between two lines of a recipe that a loop makes.
define newline


endef
.PHONY: install uninstall clean help
install: all ## programs, man pages, units and configuration; an existing configuration is kept
	$(foreach file,$(INSTALLED_PROGRAMS),$(call install_file,$(file),755)$(newline)	)
	$(foreach file,$(INSTALLED_FILES),$(call install_file,$(file),644)$(newline)	)
	$(if $(UNITS),sed -i 's|/usr/sbin/migrated|$(SBINDIR)/migrated|; s|/usr/bin/migratectl|$(PREFIX)/bin/migratectl|' $(UNITS:systemd/%=$(DESTDIR)$(UNITDIR)/%))
	install -d -m 750 $(DESTDIR)$(CONFDIR) $(DESTDIR)$(CONFDIR)/entities.d
	$(if $(wildcard etc/migrated.json),test -e $(DESTDIR)$(CONFDIR)/migrated.json || \
		install -m 640 etc/migrated.json $(DESTDIR)$(CONFDIR)/migrated.json)
uninstall: ## all of that but the configuration
	rm -f $(foreach file,$(INSTALLED_PROGRAMS) $(INSTALLED_FILES),$(DESTDIR)$(lastword $(subst :, ,$(file))))
	for directory in $(OWN_DIRECTORIES); do test ! -d $$directory || find $$directory -depth -type d -empty -delete; done

# --- the Debian package -----------------------------------------------------------------------

# Built from a copy, as dpkg-buildpackage leaves its results beside the sources.
PACKAGE := $(BUILD_DIR)/deb
PACKAGED := Makefile CHANGELOG.md LICENSE OPERATIONS.md README.md common ctl daemon debian etc scripts systemd
.PHONY: deb
deb: ## the Debian package, in build/deb
	@command -v dpkg-buildpackage dh >/dev/null || \
		{ echo "make deb needs the packages build-essential and debhelper." >&2; exit 1; }
	rm -rf $(PACKAGE)
	mkdir -p $(PACKAGE)/migrated
	cp -a $(PACKAGED) $(PACKAGE)/migrated
	cd $(PACKAGE)/migrated && env -u BUILD_DIR -u MAKEFLAGS -u SAN -u CFLAGS dpkg-buildpackage --unsigned-source --unsigned-changes --build=binary
	rm -rf $(PACKAGE)/migrated
	@ls $(PACKAGE)/*.deb

clean: ## remove everything that was built
	rm -rf build $(addprefix $(BUILD_DIR)/,faults obj gen unit cppcheck migrated migratectl lib*.a flags sources texts)

help: ## this list
	@sed -n 's/^\([a-z-]*\):.*## \(.*\)/\1\t\2/p' $(firstword $(MAKEFILE_LIST)) | expand -t 16
