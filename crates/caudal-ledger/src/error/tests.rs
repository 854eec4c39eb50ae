//! Which of PostgreSQL's answers condemn the data.

use super::{Verdict, judge};

#[test]
fn only_the_classes_22_23_and_54_condemn_the_data() {
    for code in ["22003", "22021", "22P02", "23502", "23505", "23514", "23P01", "54000", "54001"] {
        assert!(matches!(judge(code), Verdict::Data(_)), "{code}");
    }
    for code in [
        "", "08006", "25006", "25P03", "28P01", "3D000", "40001", "40P01", "42P01", "42501", "53100", "53300", "55P03",
        "57014", "57P01", "57P02", "57P03", "58030", "P0001", "XX000",
    ] {
        assert!(matches!(judge(code), Verdict::Later(_)), "{code}");
    }
}
