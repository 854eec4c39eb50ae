//! What is written is read; what nobody wrote is kept.

use proptest::prelude::{any, proptest};
use uuid::Uuid;

use super::{Content, EntryId, Head, decode, read};

fn head() -> Head {
    Head {
        first_version: 1_700_000_000_000_000,
        position: 500,
        count: 7,
        attempts: 3,
        suspect: true,
        batch: Uuid::from_u128(7),
        traceparent: Some("00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01".to_owned()),
    }
}

#[test]
fn an_entry_is_read_as_it_was_written() {
    for head in [head(), Head::default(), Head { traceparent: None, suspect: false, ..head() }] {
        assert_eq!(decode(&head.encode(b"payload")), Content::Known(head.clone(), b"payload".to_vec()));
        let admitted = [&[1], head.first_version.to_be_bytes().as_slice(), &head.encode_rest(b"")].concat();
        assert_eq!(decode(&admitted), Content::Known(head, Vec::new()));
    }
}

#[test]
fn an_entry_of_a_newer_program_is_told_from_one_that_nobody_wrote() {
    assert_eq!(read(vec![(b"e".to_vec(), vec![2, 1, 2])]), Content::Newer);
    let torn = head().encode(b"")[..40].to_vec();
    assert_eq!(read(vec![(b"e".to_vec(), torn.clone())]), Content::Foreign(torn));
    let fields = vec![(b"what".to_vec(), b"ever".to_vec()), (vec![255], vec![])];
    assert_eq!(read(fields), Content::Foreign(b"what=ever\n\xff=\n".to_vec()));
}

#[test]
fn an_id_is_read_back_from_its_text_and_ordered_by_time() {
    let id: EntryId = "1700000000000-12".parse().unwrap();
    assert_eq!(id.to_string(), "1700000000000-12");
    assert!(id < "1700000000001-0".parse().unwrap() && id > "1700000000000-9".parse().unwrap());
    for text in ["", "1", "1-", "-1", "1-2-3", "a-1", "18446744073709551616-0"] {
        assert!(text.parse::<EntryId>().is_err(), "{text}");
    }
}

proptest! {
    #[test]
    fn no_bytes_make_reading_fail(bytes in any::<Vec<u8>>()) {
        decode(&bytes);
        decode(&[vec![1], bytes].concat());
    }
}
