//! PostgreSQL's names for its verdicts on data: what programs go by, and what operators look up in its manual.

/// The condition of an SQLSTATE and what it means, in words; none unless it is a verdict on the data (classes 22, 23, 54).
pub(crate) fn condition(sqlstate: &str) -> Option<(&'static str, &'static str)> {
    CONDITIONS
        .iter()
        .find(|(code, ..)| *code == sqlstate)
        .or_else(|| class(sqlstate))
        .map(|(_, name, words)| (*name, *words))
}

/// A condition without a row of its own goes by that of its class.
fn class(sqlstate: &str) -> Option<&'static (&'static str, &'static str, &'static str)> {
    let class = sqlstate.get(..2)?;
    CONDITIONS.iter().find(|(code, ..)| code.strip_suffix("000") == Some(class))
}

/// SQLSTATE, name, meaning.
const CONDITIONS: [(&str, &str, &str); 25] = [
    ("22000", "data_exception", "a value is malformed"),
    ("22001", "string_data_right_truncation", "a text is too long"),
    ("22003", "numeric_value_out_of_range", "a number is out of range"),
    ("22004", "null_value_not_allowed", "a value is missing"),
    ("22007", "invalid_datetime_format", "a date is malformed"),
    ("22008", "datetime_field_overflow", "a date is out of range"),
    ("22012", "division_by_zero", "a value leads to a division by zero"),
    ("22021", "character_not_in_repertoire", "a text holds a character PostgreSQL cannot keep"),
    ("22023", "invalid_parameter_value", "a value is not allowed"),
    ("22026", "string_data_length_mismatch", "a text has not the length it must have"),
    ("22P02", "invalid_text_representation", "a value is malformed"),
    ("22P03", "invalid_binary_representation", "a value is malformed"),
    ("22P05", "untranslatable_character", "a text holds a character the database's encoding lacks"),
    ("23000", "integrity_constraint_violation", "a constraint is not met"),
    ("23001", "restrict_violation", "a row that is referred to cannot change"),
    ("23502", "not_null_violation", "a value is missing"),
    ("23503", "foreign_key_violation", "what is referred to does not stand"),
    ("23505", "unique_violation", "the same key stands already"),
    ("23514", "check_violation", "a check is not met"),
    ("23P01", "exclusion_violation", "it excludes what stands already"),
    ("54000", "program_limit_exceeded", "a value is too large"),
    ("54001", "statement_too_complex", "a value leads too deep"),
    ("54011", "too_many_columns", "a value has too many columns"),
    ("54023", "too_many_arguments", "a value has too many parts"),
    ("2200F", "zero_length_character_string", "a text is empty"),
];

#[cfg(test)]
mod tests;
