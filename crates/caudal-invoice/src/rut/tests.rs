//! One client, however its RUT is spelled.

use super::{canonical_rut, check_digit};

#[test]
fn every_spelling_of_a_rut_is_one_client() {
    for spelling in ["11.111.111-1", "11111111-1", "011.111.111-1", "1.1.1.1.1.1.1.1-1"] {
        assert_eq!(canonical_rut(spelling), "11111111-1", "{spelling}");
    }
    assert_eq!(canonical_rut("10.000.013-k"), "10000013-K");
}

#[test]
fn zeros_alone_keep_one_digit() {
    assert_eq!(canonical_rut("0-0"), "0-0");
    assert_eq!(canonical_rut("00.000-0"), "0-0");
}

#[test]
fn other_texts_stay_as_received() {
    for text in ["", "-", "-1", ".-1", "0123", "12-34", "1-2-3", "k-k", "cliente 007", " 11111111-1", "١-١", "1-K "] {
        assert_eq!(canonical_rut(text), text);
    }
}

#[test]
fn the_canonical_form_is_its_own_canonical_form() {
    for text in ["11.111.111-1", "00-k", "x", "0.0-0"] {
        assert_eq!(canonical_rut(&canonical_rut(text)), canonical_rut(text));
    }
}

#[test]
fn the_check_digit_is_the_one_on_well_known_ruts() {
    for (body, check) in
        [(12_345_678, '5'), (12_678_579, '8'), (11_111_111, '1'), (60_910_000, '1'), (0, '0'), (6, 'K')]
    {
        assert_eq!(check_digit(body), check, "of {body}");
    }
}
