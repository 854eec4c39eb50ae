//! The rules an invoice can break, with pydantic's names and texts.

/// A broken rule.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Rule {
    Missing,
    ListType,
    ModelAttributesType,
    StringType,
    StringUnicode,
    /// The most characters allowed.
    StringTooLong(usize),
    FloatType,
    FloatParsing,
    FiniteNumber,
    /// The most digits allowed before the point.
    DecimalWholeDigits(i64),
    DateType,
    /// What is wrong with the text or time.
    DateParsing(&'static str),
    DateInexact,
    /// A rule of the service's own, in its words.
    Value(&'static str),
    /// What Python's JSON reader says.
    JsonInvalid(&'static str),
}

impl Rule {
    /// The error's `type`.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Missing => "missing",
            Self::ListType => "list_type",
            Self::ModelAttributesType => "model_attributes_type",
            Self::StringType => "string_type",
            Self::StringUnicode => "string_unicode",
            Self::StringTooLong(_) => "string_too_long",
            Self::FloatType => "float_type",
            Self::FloatParsing => "float_parsing",
            Self::FiniteNumber => "finite_number",
            Self::DecimalWholeDigits(_) => "decimal_whole_digits",
            Self::DateType => "date_type",
            Self::DateParsing(_) => "date_from_datetime_parsing",
            Self::DateInexact => "date_from_datetime_inexact",
            Self::Value(_) => "value_error",
            Self::JsonInvalid(_) => "json_invalid",
        }
    }

    /// The error's `msg`.
    pub(crate) fn message(self) -> String {
        let text = match self {
            Self::Missing => "Field required",
            Self::ListType => "Input should be a valid list",
            Self::ModelAttributesType => "Input should be a valid dictionary or object to extract fields from",
            Self::StringType => "Input should be a valid string",
            Self::StringUnicode => "Input should be a valid string, unable to parse raw data as a unicode string",
            Self::StringTooLong(most) => return format!("String should have at most {most} characters"),
            Self::FloatType => "Input should be a valid number",
            Self::FloatParsing => "Input should be a valid number, unable to parse string as a number",
            Self::FiniteNumber => "Input should be a finite number",
            Self::DecimalWholeDigits(most) => {
                return format!("Decimal input should have no more than {most} digits before the decimal point");
            }
            Self::DateType => "Input should be a valid date",
            Self::DateParsing(error) => return format!("Input should be a valid date or datetime, {error}"),
            Self::DateInexact => "Datetimes provided to dates should have zero time - e.g. be exact dates",
            Self::Value(error) => return format!("Value error, {error}"),
            Self::JsonInvalid(_) => "JSON decode error",
        };
        text.to_owned()
    }

    /// The error's `ctx`: one name and its value.
    pub(crate) fn context(self) -> Option<(&'static str, serde_json::Value)> {
        match self {
            Self::StringTooLong(most) => Some(("max_length", most.into())),
            Self::DecimalWholeDigits(most) => Some(("whole_digits", most.into())),
            Self::DateParsing(error) | Self::JsonInvalid(error) => Some(("error", error.into())),
            // FastAPI tells of the exception an object without members.
            Self::Value(_) => Some(("error", serde_json::Value::Object(serde_json::Map::new()))),
            Self::Missing
            | Self::ListType
            | Self::ModelAttributesType
            | Self::StringType
            | Self::StringUnicode
            | Self::FloatType
            | Self::FloatParsing
            | Self::FiniteNumber
            | Self::DateType
            | Self::DateInexact => None,
        }
    }

    /// Where pydantic explains the rule; FastAPI's own error has no such page.
    pub(crate) fn url(self) -> Option<String> {
        match self {
            Self::JsonInvalid(_) => None,
            rule => Some(format!("https://errors.pydantic.dev/2.5/v/{}", rule.name())),
        }
    }
}
