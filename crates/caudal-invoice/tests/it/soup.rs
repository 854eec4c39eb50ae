//! Bytes that come close to a batch, made of random ones.

/// What such bodies are made of.
const PIECES: [&str; 64] = [
    "[",
    "]",
    "{",
    "}",
    ",",
    ":",
    "\"",
    "\\",
    " ",
    "\n",
    "\u{feff}",
    "null",
    "true",
    "false",
    "NaN",
    "-Infinity",
    "\"numero_factura\":",
    "\"rut_cliente\":",
    "\"monto\":",
    "\"fecha_emision\":",
    "\"F-1\"",
    "\"11.111.111-k\"",
    "\"2025-08-24\"",
    "\"2025-08-24T00:00:00Z\"",
    "\"2024-02-30\"",
    "\"0000-01-01\"",
    "1756080000",
    "1756080000000",
    "1e400",
    "-0.0",
    "0.00005",
    "9999999999999999.99995",
    "10000000000000000",
    "\"1_000\"",
    "\"١\"",
    "\"\\ud800\"",
    "\"\\u0000\"",
    "\"\\u00e9\"",
    "\"é\"",
    "\"😀\"",
    "1",
    "-",
    ".",
    "e",
    "+",
    "0",
    "9",
    "\"\"",
    "[]",
    "{}",
    "\\u",
    "\u{0}",
    "\"extra\":",
    "//",
    "/*",
    "'",
    "\t",
    "\r\n",
    "\"12.5\"",
    "\"1e3\"",
    "\"inf\"",
    "12345678901234567890123456789",
    "{\"numero_factura\":\"F-1\",\"rut_cliente\":\"11111111-1\",\"monto\":1.5,\"fecha_emision\":\"2025-08-24\"}",
    ",{\"numero_factura\":\"F-2\",\"rut_cliente\":\"\",\"monto\":\"2\",\"fecha_emision\":0}",
];

/// A body: now and then a byte as it is, else pieces.
pub(crate) fn body(random: &[u8]) -> Vec<u8> {
    let mut body = Vec::new();
    let mut bytes = random.iter();
    while let Some(byte) = bytes.next() {
        match byte {
            0..8 => body.extend(bytes.next()),
            _ => body.extend_from_slice(PIECES[usize::from(*byte) % PIECES.len()].as_bytes()),
        }
    }
    body
}

/// A batch of invoices with a piece or a few in the place of each value.
pub(crate) fn batch(random: &[u8]) -> Vec<u8> {
    let mut batch = Vec::from(b"[");
    for (index, values) in random.chunks(8).enumerate() {
        batch.extend_from_slice(if index > 0 { b"," } else { b"" });
        for (name, value) in ["{\"numero_factura\":", ",\"rut_cliente\":", ",\"monto\":", ",\"fecha_emision\":"]
            .into_iter()
            .zip(values.chunks(2))
        {
            batch.extend_from_slice(name.as_bytes());
            batch.extend_from_slice(&body(value));
        }
        batch.extend_from_slice(b"}");
    }
    batch.extend_from_slice(b"]");
    batch
}
