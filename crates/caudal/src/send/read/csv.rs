//! CSV, line by line.

use std::io::Read;
use std::ops::ControlFlow;

use ::csv::{ByteRecord, ReaderBuilder, Terminator, Trim};
use anyhow::{Context, ensure};
use serde::Serialize;
use serde_json::value::to_raw_value;

use super::{Element, Item, Take, Unreadable};

const NAMES: [&str; 4] = ["numero_factura", "rut_cliente", "monto", "fecha_emision"];

/// An invoice as it is sent: every value a text, which the API reads as it reads a number.
#[derive(Serialize)]
struct Row<'a> {
    numero_factura: &'a str,
    rut_cliente: &'a str,
    monto: &'a str,
    fecha_emision: &'a str,
}

/// What separates the fields: of the usual characters the one that the first line has most of.
pub(super) fn delimiter(start: &[u8]) -> u8 {
    let line = start.split(|byte| *byte == b'\n').next().unwrap_or_default();
    let often = |delimiter: &u8| line.iter().filter(|byte| *byte == delimiter).count();
    // The last of several equal ones counts: the comma, where there is none.
    [b'\t', b';', b','].into_iter().max_by_key(often).unwrap_or(b',')
}

/// Reads the lines; columns of other names are left out.
pub(super) fn read(reader: impl Read, delimiter: u8, take: &mut Take<'_>) -> anyhow::Result<()> {
    // The parser's own line numbers leave out what it skips. With one kind of line end, also at the very end, they can be told.
    let reader = reader.chain(&b"\n"[..]);
    let mut builder = ReaderBuilder::new();
    builder.delimiter(delimiter).terminator(Terminator::Any(b'\n')).flexible(true).trim(Trim::Headers);
    let mut lines = builder.from_reader(reader);
    let header = lines.headers().context("the header row is not UTF-8 text")?.clone();
    let mut columns = [0; NAMES.len()];
    for (column, name) in columns.iter_mut().zip(NAMES) {
        let mut found = header.iter().enumerate().filter(|(_, title)| *title == name).map(|(index, _)| index);
        *column =
            found.next().with_context(|| format!("the header row has no {name}; it needs {}", NAMES.join(", ")))?;
        ensure!(found.next().is_none(), "the header row has {name} twice");
    }
    let mut line = ByteRecord::new();
    while lines.read_byte_record(&mut line)? {
        if line.iter().all(|field| field.trim_ascii().is_empty()) {
            continue;
        }
        let inside = line.iter().flatten().filter(|byte| **byte == b'\n').count() as u64;
        let place = lines.position().line().saturating_sub(1 + inside);
        let item = match row(&line, columns, header.len()) {
            Ok(row) => Item::Element(Element { place, json: to_raw_value(&row)? }),
            Err(reason) => Item::Unreadable(Unreadable { place, reason }),
        };
        if let ControlFlow::Break(()) = take(item) {
            break;
        }
    }
    Ok(())
}

fn row(line: &ByteRecord, columns: [usize; 4], width: usize) -> Result<Row<'_>, String> {
    if line.len() != width {
        return Err(format!("it has {} fields, the header row {width}", line.len()));
    }
    let field = |column: usize| {
        let text = std::str::from_utf8(line.get(column).unwrap_or_default());
        text.map(|text| text.strip_suffix('\r').unwrap_or(text))
            .map_err(|_| "it is not UTF-8 text: save the file as UTF-8".to_owned())
    };
    let [number, rut, amount, issued_on] = columns;
    Ok(Row {
        numero_factura: field(number)?,
        rut_cliente: field(rut)?,
        monto: field(amount)?,
        fecha_emision: field(issued_on)?,
    })
}
