//! Whether a body says that it is JSON, as Python's `email.message` reads the header.

/// No header or an empty one counts as JSON; else `application/json` and `application/*+json`, in any case.
pub(crate) fn is_json(content_type: Option<&str>) -> bool {
    let Some(value) = content_type.filter(|value| !value.is_empty()) else { return true };
    let (full, _) = value.split_once(';').unwrap_or((value, ""));
    let full = full.trim().to_ascii_lowercase();
    match full.split_once('/') {
        Some(("application", subtype)) => subtype == "json" || (subtype.ends_with("+json") && !subtype.contains('/')),
        _ => false,
    }
}

#[cfg(test)]
mod tests;
