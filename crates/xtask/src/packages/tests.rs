//! Versions are read from what the programs say of themselves.

use super::major;

#[test]
fn the_major_version_is_found_in_every_programs_words() {
    assert_eq!(major("Redis server v=7.0.15 sha=00000000:0 malloc=jemalloc-5.3.0 bits=64"), Some(7));
    assert_eq!(major("postgres (PostgreSQL) 15.18 (Debian 15.18-0+deb12u1)"), Some(15));
    assert_eq!(major("postgres (PostgreSQL) 18beta1"), None);
    assert_eq!(major("PgBouncer 1.18.0\nlibevent 2.1.12-stable"), Some(1));
    assert_eq!(major("etcd Version: 3.4.23\nGit SHA: 1"), Some(3));
}
