//! Which of PostgreSQL's answers condemn the data, and by what name.

use super::condition;

#[test]
fn only_the_classes_22_23_and_54_condemn_the_data() {
    for code in ["22003", "22021", "22P02", "2203F", "23502", "23505", "23514", "23P01", "23999", "54000", "54001"] {
        assert!(condition(code).is_some(), "{code}");
    }
    for code in [
        "", "5", "08006", "25006", "25P03", "28P01", "3D000", "40001", "40P01", "42P01", "42501", "53100", "53300",
        "55P03", "57014", "57P01", "57P02", "57P03", "58030", "P0001", "XX000",
    ] {
        assert_eq!(condition(code), None, "{code}");
    }
}

#[test]
fn conditions_have_postgresqls_names_and_unlisted_ones_that_of_their_class() {
    let named = |code| condition(code).map(|(name, _)| name);
    assert_eq!(named("22003"), Some("numeric_value_out_of_range"));
    assert_eq!(named("23514"), Some("check_violation"));
    assert_eq!(named("2203F"), Some("data_exception"));
    assert_eq!(named("23999"), Some("integrity_constraint_violation"));
    assert_eq!(named("54999"), Some("program_limit_exceeded"));
}
