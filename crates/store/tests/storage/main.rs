//! One suite over both databases. Each test has a database of its own.
//!
//! PostgreSQL is used when `MINATO_TEST_POSTGRESQL_URL` names a server on which databases may be created; `.ci/run` always sets it.

// A helper of a test fails the test.
#![allow(clippy::unwrap_used)]

mod conformance;
mod database;
mod speed;
