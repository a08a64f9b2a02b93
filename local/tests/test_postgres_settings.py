"""The settings and statements that make a PostgreSQL server behave as RDS's, and the stand-in's recipe."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from local import containers, postgres_settings, standin, standin_postgres
from local.postgres_images import Image


@pytest.mark.parametrize("case, parameters, major, forced", [
    ("RDS's default since 15 is to refuse plain connections", {}, "15", True),
    ("before 15 the default is to accept them", {}, "14", False),
    ("the group says 1", {"rds.force_ssl": "1"}, "13", True),
    ("the group says 0", {"rds.force_ssl": "0"}, "17", False),
    ("a version that isn't known is taken for a new one", {}, "", True),
])
def test_force_ssl_follows_the_parameter_group(case, parameters, major, forced):
    assert postgres_settings.force_ssl(parameters, major) is forced


def test_plain_connections_have_a_rule_only_without_force_ssl():
    assert "hostnossl" not in postgres_settings.access_rules(True)
    assert "hostnossl" in postgres_settings.access_rules(False)
    # "host" would let both in.
    assert not any(line.startswith("host ") for line in postgres_settings.access_rules(True).splitlines())


@pytest.mark.parametrize("case, parameters, expected", [
    ("a setting of PostgreSQL is passed on", {"log_connections": "1"}, ["log_connections=1"]),
    ("RDS's own settings are not", {"rds.force_ssl": "1", "rds.logical_replication": "1"}, []),
    ("formulas over the machine's memory are not", {"effective_cache_size": "{DBInstanceClassMemory/16384}"}, []),
    ("the files of TLS can't be moved", {"ssl": "0", "ssl_key_file": "/x"}, []),
    ("libraries that only RDS has aren't loaded", {"shared_preload_libraries": "pg_stat_statements, pg_tle"},
     ["shared_preload_libraries=pg_stat_statements"]),
    ("no library is left", {"shared_preload_libraries": "pg_tle"}, []),
])
def test_a_parameter_group_becomes_arguments(case, parameters, expected):
    fixed = postgres_settings.arguments({}, "/folder")
    assert [a for a in postgres_settings.arguments(parameters, "/folder") if a not in fixed] == expected
    assert "ssl=on" in postgres_settings.arguments(parameters, "/folder")


@given(st.text(min_size=1).filter(lambda s: "\0" not in s and "$$" not in s))
def test_an_identifier_is_one_quoted_word(name):
    quoted = postgres_settings.identifier(name)
    assert quoted[0] == quoted[-1] == '"'
    inner = quoted[1:-1]
    assert '"' not in inner.replace('""', "") and inner.replace('""', '"') == name


@pytest.mark.parametrize("name", ["a\0b", "a$$; DROP ROLE b; --"])
def test_a_name_that_would_end_its_statement_is_refused(name):
    with pytest.raises(ValueError):
        postgres_settings.identifier(name)


def test_a_password_is_a_value_and_in_no_statement():
    made = postgres_settings.statements("master", "s3cret'\"%s", "app")
    assert not any("s3cret" in statement for statement, _ in made)
    assert [values for _, values in made if values] == [("s3cret'\"%s",)]


@pytest.mark.parametrize("given_environment, volumes, path", [
    ({}, None, containers.AUTHORITY_PATH),
    ({}, ["x:/y:rw"], containers.AUTHORITY_PATH),
    ({"DATABASE_CA_FILE": "/mine"}, None, "/mine"),
])
def test_a_container_gets_the_authority_unless_its_definition_names_one(given_environment, volumes, path):
    made = containers.with_authority({"environment": given_environment, "volumes": volumes}, "/ca.pem")
    assert made["environment"]["DATABASE_CA_FILE"] == path
    mounted = f"/ca.pem:{containers.AUTHORITY_PATH}:ro" in (made["volumes"] or [])
    assert mounted is (path != "/mine")
    assert set(volumes or []) <= set(made["volumes"] or [])


@pytest.mark.parametrize("major, path", [("17", "/var/lib/postgresql/data"), ("18", "/var/lib/postgresql")])
def test_the_volume_is_where_the_official_image_of_the_version_wants_it(major, path):
    # https://hub.docker.com/_/postgres, "PGDATA": the path has the major version in it since 18.
    assert Image("x", major, False).data_path == path


def test_another_entry_point_or_package_makes_another_stand_in():
    recipe = standin_postgres.recipe()
    other = standin.Recipe(recipe.name, recipe.version + "x", recipe.packages, recipe.finish, recipe.settings)
    assert recipe.reference() != other.reference() and recipe.path() != other.path()
    assert recipe.reference().startswith("localhost/")
