"""A legacy key that was reused is another row, where the mapping names what tells the two apart."""

import pytest

from mapping import entity
from sessions import dead_letters, parked

SOURCE = """CREATE TABLE people (id integer PRIMARY KEY, name text, born date, chief integer);
    CREATE TABLE notes (id integer PRIMARY KEY, person integer, body text);
    INSERT INTO people SELECT i, 'person ' || i, date '1980-01-01' + i, nullif(i - 1, 0) FROM generate_series(1, 9) AS i;
    INSERT INTO notes SELECT i, 1 + i % 9, 'note ' || i FROM generate_series(1, 27) AS i"""
TARGET = """CREATE TABLE people (id uuid PRIMARY KEY, legacy_id integer UNIQUE, name text NOT NULL CHECK (name <> 'bad'),
                                 chief uuid REFERENCES people, is_active boolean NOT NULL DEFAULT true);
    CREATE TABLE notes (id uuid PRIMARY KEY, legacy_id integer UNIQUE, person uuid NOT NULL REFERENCES people, body text)"""
PEOPLE = entity("people", {"name": "name", "chief": {"references": "people", "from": "chief"}}, identity=["born"])
NOTES = entity("notes", {"body": "body", "person": {"references": "people", "from": "person"}}, on_delete="delete")
ON_DELETE = {"mark": {"mark": {"is_active": False}}, "delete": "delete", "ignore": "ignore"}


def people(on_delete, **rest):
    return {**PEOPLE, "on_delete": ON_DELETE[on_delete], **rest}


def keys(world):
    return dict(world.target_sql("SELECT legacy_id, id FROM people WHERE legacy_id IS NOT NULL"))


def replace_person(world, number=5, name="another"):
    """Another person gets the id; rows that refer to it are left as they are."""
    world.source_sql("UPDATE people SET name = %s, born = born + 10000 WHERE id = %s", [name, number])


def same_people(world):
    """What has a legacy key is exactly what the source has, references included."""
    assert sorted(world.target_sql("""
        SELECT p.legacy_id, p.name, c.legacy_id, p.is_active
          FROM people AS p
          LEFT JOIN people AS c ON c.id = p.chief
         WHERE p.legacy_id IS NOT NULL""")) == sorted(world.source_sql("SELECT id, name, chief, true FROM people"))
    assert sorted(world.target_sql("""
        SELECT n.legacy_id, p.legacy_id, n.body FROM notes AS n JOIN people AS p ON p.id = n.person""")) == \
        sorted(world.source_sql("SELECT id, person, body FROM notes"))


def history(world):
    return world.target_sql("SELECT legacy_key[1]::integer, target_key[1]::uuid, reason FROM migrated.id_map_history")


def test_a_plain_change_keeps_the_key(pair):
    world = pair(SOURCE, TARGET, people("mark"), NOTES)
    world.migrate()
    before = keys(world)
    world.source_sql("UPDATE people SET name = 'renamed' WHERE id IN (2, 5)")
    world.migrate()
    assert keys(world) == before
    assert history(world) == []
    same_people(world)
    world.finds_nothing()


@pytest.mark.parametrize("on_delete", ON_DELETE)
@pytest.mark.parametrize("isolated", [False, True], ids=["", "beside a bad row"])
def test_a_reused_id_gets_a_key_of_its_own_and_its_children_follow(pair, on_delete, isolated):
    world = pair(SOURCE, TARGET, people(on_delete), NOTES)
    world.migrate()
    before = keys(world)
    replace_person(world)
    if isolated:
        world.source_sql("UPDATE people SET name = 'bad' WHERE id = 8")
    world.migrate()
    after = keys(world)
    assert after[5] != before[5]
    assert {key: after[key] for key in after if key != 5} == {key: before[key] for key in before if key != 5}
    assert history(world) == [(5, before[5], "reused")]
    assert world.target_sql("SELECT since_session, session IS NOT NULL FROM migrated.id_map_history") == [(1, True)]
    old = world.target_sql("SELECT legacy_id, name, is_active FROM people WHERE id = %s", [before[5]])
    assert old == {"delete": [], "mark": [(None, "person 5", False)], "ignore": [(None, "person 5", True)]}[on_delete]
    assert set(dead_letters(world, "people")) == ({"8"} if isolated else set())
    if isolated:
        world.source_sql("UPDATE people SET name = 'good' WHERE id = 8")
        world.migrate()
    same_people(world)
    world.finds_nothing()


@pytest.mark.parametrize("on_delete", ON_DELETE)
def test_an_id_that_was_found_gone_and_is_reused_later_does_not_revive_the_old_row(pair, on_delete):
    world = pair(SOURCE, TARGET, people(on_delete), NOTES)
    world.source_sql("DELETE FROM notes WHERE person = 9")
    world.migrate()
    before = keys(world)
    world.source_sql("DELETE FROM people WHERE id = 9")
    world.migrate()
    world.source_sql("INSERT INTO people VALUES (9, 'somebody else', '2001-01-01', 3)")
    world.migrate()
    assert keys(world)[9] != before[9]
    old = world.target_sql("SELECT legacy_id, name, is_active FROM people WHERE id = %s", [before[9]])
    assert old == {"delete": [], "mark": [(None, "person 9", False)], "ignore": [(None, "person 9", True)]}[on_delete]
    same_people(world)
    world.finds_nothing()


@pytest.mark.parametrize("on_delete", ON_DELETE)
def test_the_same_row_that_comes_back_is_revived(pair, on_delete):
    world = pair(SOURCE, TARGET, people(on_delete), NOTES)
    world.source_sql("DELETE FROM notes WHERE person = 9")
    world.migrate()
    before = keys(world)
    world.source_sql("CREATE TABLE kept AS SELECT * FROM people WHERE id = 9; DELETE FROM people WHERE id = 9")
    world.migrate()
    world.source_sql("INSERT INTO people SELECT * FROM kept")
    world.migrate()
    assert keys(world) == before
    assert history(world) == []
    same_people(world)
    world.finds_nothing()


def test_without_an_identity_a_reused_id_is_the_same_row(pair):
    world = pair(SOURCE, TARGET, {key: value for key, value in people("mark").items() if key != "identity"}, NOTES)
    world.migrate()
    before = keys(world)
    replace_person(world)
    world.migrate()
    assert keys(world) == before
    same_people(world)


def test_a_null_in_the_identity_is_a_value(pair):
    world = pair(SOURCE, TARGET, people("ignore", identity=["born", "name"]), NOTES)
    world.source_sql("UPDATE people SET born = NULL WHERE id IN (5, 6)")
    world.migrate()
    before = keys(world)
    world.source_sql("UPDATE people SET chief = 1 WHERE id = 6; UPDATE people SET born = '2000-01-01' WHERE id = 5")
    world.migrate()
    assert {key for key in before if keys(world)[key] != before[key]} == {5}
    world.source_sql("UPDATE people SET born = NULL WHERE id = 7")
    world.migrate()
    assert {key for key in before if keys(world)[key] != before[key]} == {5, 7}
    world.finds_nothing()


@pytest.mark.parametrize("adopted", [False, True], ids=["mapped before", "adopted"])
def test_an_identity_that_is_not_known_yet_is_taken_over_in_silence(pair, adopted):
    plain = {key: value for key, value in people("mark").items() if key != "identity"}
    if adopted:
        world = pair(SOURCE, TARGET + "; INSERT INTO people SELECT gen_random_uuid(), i, 'person ' || i FROM generate_series(1, 9) AS i",
                     people("mark"), NOTES)
    else:
        world = pair(SOURCE, TARGET, plain, NOTES)
        world.migrate()
        world.change_mapping([people("mark"), NOTES])
    before = keys(world)
    world.migrate()
    assert keys(world) == before
    assert world.target.value("SELECT count(i1) FROM migrated.id_map_people") == 9
    replace_person(world)
    world.migrate()
    assert {key for key in before if keys(world)[key] != before[key]} == {5}
    same_people(world)
    world.finds_nothing()


def test_another_identity_reuses_nothing_and_is_known_from_then_on(pair):
    world = pair(SOURCE, TARGET, people("mark"), NOTES)
    world.migrate()
    before = keys(world)
    world.change_mapping([people("mark", identity=["name"]), NOTES])
    world.migrate()
    assert keys(world) == before
    world.source_sql("ALTER TABLE people ALTER name TYPE varchar")
    world.migrate()
    assert keys(world) == before
    assert world.target.value("SELECT count(i1) FROM migrated.id_map_people") == 9
    replace_person(world)
    world.migrate()
    assert {key for key in before if keys(world)[key] != before[key]} == {5}
    world.change_mapping([{key: value for key, value in people("mark").items() if key != "identity"}, NOTES])
    world.migrate()
    assert world.target.value("SELECT count(i1) FROM migrated.id_map_people") == 0
    same_people(world)
    world.finds_nothing()


def test_what_still_refers_to_the_old_row_makes_the_new_one_a_dead_letter_and_the_rest_goes_on(pair):
    world = pair(SOURCE, TARGET + "; CREATE TABLE foreign_rows (person uuid REFERENCES people)", people("delete"), NOTES)
    world.migrate()
    before = keys(world)
    world.target_sql("INSERT INTO foreign_rows VALUES (%s)", [before[5]])
    replace_person(world)
    replace_person(world, 7)
    world.migrate()
    assert {key: letter[:2] for key, letter in dead_letters(world, "people").items()} == \
        {"5": ("23503", "foreign_rows_person_fkey")}
    assert {key for key in before if keys(world)[key] != before[key]} == {7}
    assert world.target_sql("SELECT legacy_id, name FROM people WHERE id = %s", [before[5]]) == [(5, "person 5")]
    world.target_sql("DELETE FROM foreign_rows")
    world.source_sql("UPDATE people SET name = name || '!' WHERE id IN (1, 5)")
    world.migrate()
    assert {key for key in before if keys(world)[key] != before[key]} == {5, 7}
    assert dead_letters(world, "people") == {}
    same_people(world)
    world.finds_nothing()


def test_an_old_row_that_cannot_let_go_of_its_legacy_key_makes_the_new_one_a_dead_letter(pair):
    world = pair(SOURCE, TARGET.replace("legacy_id integer UNIQUE, name", "legacy_id integer NOT NULL UNIQUE, name"),
                 people("mark"), NOTES)
    world.migrate()
    before = keys(world)
    replace_person(world)
    replace_person(world, 6)
    world.target_sql("UPDATE people SET chief = NULL WHERE chief = %s", [before[6]])
    world.target_sql("DELETE FROM notes WHERE person = %s", [before[6]])
    world.target_sql("DELETE FROM people WHERE id = %s", [before[6]])
    world.accounted = False  # those notes are lost
    world.migrate()
    letters = dead_letters(world, "people")
    assert {key: (letter[0], letter[2]) for key, letter in letters.items()} == {"5": ("23502", "legacy_id")}
    assert "reused" in letters["5"][3]
    assert keys(world)[5] == before[5]
    assert keys(world)[6] != before[6]
    world.source_sql("UPDATE people SET born = born - 10000, name = 'person 5' WHERE id = 5")
    world.migrate()
    assert dead_letters(world, "people") == {}
    assert keys(world)[5] == before[5]


def test_an_old_row_that_cannot_let_go_is_deleted_first(pair):
    world = pair(SOURCE, TARGET.replace("legacy_id integer UNIQUE, name", "legacy_id integer NOT NULL UNIQUE, name"),
                 people("delete"), NOTES)
    world.source_sql("DELETE FROM notes WHERE person = 9")
    world.migrate()
    before = keys(world)
    replace_person(world, 9)
    replace_person(world, 5)
    world.migrate()
    assert {key for key in before if keys(world)[key] != before[key]} == {9}
    assert set(dead_letters(world, "people")) == {"5"}
    assert dead_letters(world, "people")["5"][0] == "23503"


@pytest.mark.parametrize("on_delete", ON_DELETE)
def test_a_new_row_that_is_set_aside_leaves_the_old_one_until_it_can_be_written(pair, on_delete):
    waiting = {**people(on_delete), "columns": {**PEOPLE["columns"], "chief": {"references": "chiefs", "from": "chief"}}}
    world = pair(SOURCE + "; CREATE TABLE chiefs (id integer PRIMARY KEY); INSERT INTO chiefs SELECT generate_series(1, 9)",
                 TARGET.replace("chief uuid REFERENCES people", "chief uuid REFERENCES chiefs").replace(
                     "CREATE TABLE people", "CREATE TABLE chiefs (id uuid PRIMARY KEY, legacy_id integer UNIQUE);CREATE TABLE people"),
                 waiting, NOTES, entity("chiefs", {}))
    world.migrate()
    before = keys(world)
    replace_person(world)
    replace_person(world, 6, "bad")
    replace_person(world, 7, None)
    world.source_sql("UPDATE people SET chief = 77 WHERE id = 5")
    world.migrate()
    assert set(parked(world, "people")) == {"5"}
    assert set(dead_letters(world, "people")) == {"6", "7"}
    assert keys(world) == before
    assert history(world) == []
    analysis = world.detect()
    assert (analysis.new, analysis.modified, analysis.deleted) == (0, 0, 0)
    world.migrate(full=True)
    assert keys(world) == before
    world.source_sql("INSERT INTO chiefs VALUES (77); UPDATE people SET name = 'good' WHERE id IN (6, 7)")
    world.migrate()
    assert {key for key in before if keys(world)[key] != before[key]} == {5, 6, 7}
    assert parked(world, "people") == dead_letters(world, "people") == {}
    assert world.target.value("SELECT count(*) FROM notes AS n JOIN people AS p ON p.id = n.person WHERE p.legacy_id IS NULL") == 0
    world.finds_nothing()


def test_children_that_went_with_the_old_row_stay_with_it(pair):
    marked = {**NOTES, "on_delete": {"mark": {"body": "gone"}}}
    world = pair(SOURCE, TARGET, people("mark"), marked)
    world.migrate()
    before = keys(world)
    replace_person(world)
    world.source_sql("UPDATE notes SET body = 'changed' WHERE id = 13; DELETE FROM notes WHERE id = 22")
    world.migrate()
    after = keys(world)
    assert dict(world.target_sql("SELECT legacy_id, person FROM notes WHERE legacy_id IN (4, 13, 22)")) == \
        {4: after[5], 13: after[5], 22: before[5]}
    world.finds_nothing()


def test_a_join_table_follows_with_its_own_key(pair):
    member = entity("members", {"person": {"references": "people", "from": "person"},
                                "team": {"references": "teams", "from": "team"}},
                    key=["person", "team"], target_key=["person", "team"], legacy_key=None, on_delete="delete")
    world = pair("""CREATE TABLE people (id integer PRIMARY KEY, born date);
                    CREATE TABLE teams (id integer PRIMARY KEY);
                    CREATE TABLE members (person integer, team integer, PRIMARY KEY (person, team));
                    INSERT INTO people SELECT i, date '1980-01-01' FROM generate_series(1, 5) AS i;
                    INSERT INTO teams SELECT generate_series(1, 3);
                    INSERT INTO members SELECT p, t FROM generate_series(1, 5) AS p, generate_series(1, 3) AS t""",
                 """CREATE TABLE people (id uuid PRIMARY KEY, legacy_id integer UNIQUE);
                    CREATE TABLE teams (id uuid PRIMARY KEY, legacy_id integer UNIQUE);
                    CREATE TABLE members (person uuid REFERENCES people, team uuid REFERENCES teams, PRIMARY KEY (person, team))""",
                 entity("people", {}, on_delete="delete", identity="born"), entity("teams", {}), member)
    world.migrate()
    world.source_sql("UPDATE people SET born = '2000-01-01' WHERE id = 2")
    world.migrate()
    assert sorted(world.target_sql("""SELECT p.legacy_id, t.legacy_id FROM members AS m
                                        JOIN people AS p ON p.id = m.person JOIN teams AS t ON t.id = m.team""")) == \
        sorted(world.source_sql("SELECT person, team FROM members"))
    world.finds_nothing()
    world.source_sql("DELETE FROM members WHERE person = 2")
    world.migrate()
    assert world.target.value("SELECT count(*) FROM members") == 12


def test_an_identity_from_a_query(pair):
    query = people("mark", source={"query": "SELECT id, name, chief, born::timestamp AS at FROM people", "key": "id"}, identity=["at"])
    world = pair(SOURCE, TARGET, query, NOTES)
    world.migrate()
    before = keys(world)
    replace_person(world)
    world.migrate()
    assert {key for key in before if keys(world)[key] != before[key]} == {5}
    same_people(world)
    world.finds_nothing()


@pytest.mark.parametrize("key, uuid", [("uuid", "v5"), ("uuid", "v7"), ("bigint GENERATED ALWAYS AS IDENTITY", "random")])
@pytest.mark.parametrize("on_delete", ON_DELETE)
def test_keys_of_every_kind_are_made_anew(pair, on_delete, key, uuid):
    target = TARGET.replace("id uuid PRIMARY", f"id {key} PRIMARY")
    target = target if key == "uuid" else target.replace(" uuid", " bigint")
    world = pair(SOURCE, target, people(on_delete, uuid=uuid), NOTES)
    world.migrate()
    before = keys(world)
    replace_person(world)
    world.migrate()
    assert {key for key in before if keys(world)[key] != before[key]} == {5}
    same_people(world)
    world.finds_nothing()
    replace_person(world, name="a third")
    world.migrate()
    assert len({*before.values(), *keys(world).values()}) == 10
    assert world.target.value("SELECT count(*) FROM people") == (9 if on_delete == "delete" else 11)
    same_people(world)


def test_reused_ids_over_several_batches_and_lanes(pair):
    world = pair(SOURCE.replace("(1, 9)", "(1, 900)").replace("(1, 27)", "(1, 2700)").replace("% 9", "% 900"), TARGET,
                 people("delete"), NOTES)
    world.migrate()
    before = keys(world)
    world.source_sql("UPDATE people SET name = name || '!', born = born + 10000 WHERE id % 3 = 0;"
                     "UPDATE people SET name = name || '?' WHERE id % 5 = 0; DELETE FROM notes WHERE id % 7 = 0")
    world.migrate(batch_size=20)
    assert {key for key in before if keys(world)[key] != before[key]} == {key for key in before if key % 3 == 0}
    assert world.target.value("SELECT count(*) FROM people") == 900
    same_people(world)
    world.finds_nothing()
