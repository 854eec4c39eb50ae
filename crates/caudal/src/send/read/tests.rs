//! Files as people have them.

use std::io::Cursor;
use std::ops::ControlFlow;

use super::{Format, Source, read_all};
use crate::send::batch::Batch;

fn batches(format: Format, text: &[u8], most: usize) -> Result<Vec<Batch>, String> {
    let reader = Box::new(Cursor::new(text.to_owned()));
    let source = Source { name: "test".to_owned(), format, size: None, reader };
    let mut batches = Vec::new();
    let read = read_all(source, most, &mut |batch| {
        batches.push(batch);
        ControlFlow::Continue(())
    });
    read.map(|()| batches).map_err(|error| format!("{error:#}"))
}

/// Place and text of each element.
fn elements(format: Format, text: &str) -> Vec<(u64, String)> {
    let batches = batches(format, text.as_bytes(), 2).unwrap();
    let elements = batches.iter().flat_map(|batch| &batch.elements);
    elements.map(|element| (element.place, element.json.get().to_owned())).collect()
}

const HEADER: &str = "numero_factura,rut_cliente,monto,fecha_emision";

fn row(number: &str, amount: &str) -> String {
    format!(r#"{{"numero_factura":"{number}","rut_cliente":"1-9","monto":"{amount}","fecha_emision":"2025-08-24"}}"#)
}

#[test]
fn the_elements_of_a_json_list_keep_their_text() {
    let text = "\u{feff}[ {\"monto\": 1500.500000000000000001},\n\n 7, \"x\" ]\n";
    let expected = [(1, r#"{"monto": 1500.500000000000000001}"#), (2, "7"), (3, "\"x\"")];
    assert_eq!(elements(Format::Json, text), expected.map(|(place, text)| (place, text.to_owned())));
}

#[test]
fn a_json_file_that_is_no_list_or_breaks_off_is_told_with_its_place() {
    for (text, told) in [
        ("{\"a\": 1}", "expected a list of invoices"),
        ("[1, 2", "EOF while parsing a list at line 1 column 5"),
        ("[1] 2", "trailing characters"),
    ] {
        let error = batches(Format::Json, text.as_bytes(), 2).unwrap_err();
        assert!(error.contains(told), "{error}");
    }
}

#[test]
fn what_comes_before_a_break_is_sent() {
    let mut found = 0;
    let source =
        Source { name: String::new(), format: Format::Json, size: None, reader: Box::new(Cursor::new("[1, 2, 3, !")) };
    let read = read_all(source, 1, &mut |_| {
        found += 1;
        ControlFlow::Continue(())
    });
    assert!(read.is_err());
    assert_eq!(found, 2);
}

#[test]
fn csv_columns_come_in_any_order_and_others_are_left_out() {
    let text = "monto,notas,fecha_emision,numero_factura, rut_cliente \n1500.50,\"a, b\",2025-08-24,F-1,1-9\n";
    assert_eq!(elements(Format::Csv, text), [(2, row("F-1", "1500.50"))]);
}

#[test]
fn csv_may_have_semicolons_tabs_quotes_and_windows_lines() {
    for separator in [",", ";", "\t"] {
        let header = HEADER.replace(',', separator);
        let text = format!(
            "\u{feff}{header}\r\n{}\r\n\r\n{}\r\n",
            ["\"F-\n1\"", "1-9", "10", "2025-08-24"].join(separator),
            ["F-2", "1-9", "\"1,5\"", "2025-08-24"].join(separator)
        );
        assert_eq!(elements(Format::Csv, &text), [(2, row("F-\\n1", "10")), (5, row("F-2", "1,5"))], "{separator:?}");
    }
}

#[test]
fn a_csv_line_that_cannot_be_read_does_not_stop_the_others() {
    let text = [HEADER.as_bytes(), b"\nF-1,1-9,10\n\xff,1-9,10,2025-08-24\nF-3,1-9,10,2025-08-24\n"].concat();
    let batch = batches(Format::Csv, &text, 10).unwrap().remove(0);
    assert_eq!(batch.elements.iter().map(|element| element.place).collect::<Vec<_>>(), [4]);
    let reasons: Vec<_> = batch.unreadable.iter().map(|one| (one.place, one.reason.as_str())).collect();
    assert_eq!(
        reasons,
        [(2, "it has 3 fields, the header row 4"), (3, "it is not UTF-8 text: save the file as UTF-8")]
    );
}

#[test]
fn a_header_row_without_a_field_is_told() {
    for (text, told) in [
        (
            "numero_factura,rut_cliente,monto\n",
            "the header row has no fecha_emision; it needs numero_factura, rut_cliente, monto, fecha_emision",
        ),
        ("", "the header row has no numero_factura"),
        ("monto,numero_factura,rut_cliente,monto,fecha_emision\n", "the header row has monto twice"),
    ] {
        let error = batches(Format::Csv, text.as_bytes(), 2).unwrap_err();
        assert!(error.contains(told), "{error}");
    }
}
