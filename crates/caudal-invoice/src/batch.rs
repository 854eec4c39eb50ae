//! From a request's body to its invoices, or to the original's complaints.

use rust_decimal::Decimal;

use crate::json::{self, Document, Kind, Node};
use crate::refusal::{FieldError, Input, Refusal, Step};
use crate::rule::Rule;
use crate::rut::{self, RutCheck};
use crate::{Invoice, amount, content_type, date};

/// The most invoices a batch may bring.
pub const MAX_BATCH: usize = 10_000;

/// The most characters an invoice's number may have.
pub const MAX_NUMBER_LENGTH: usize = 200;
/// The most characters a RUT may have.
pub const MAX_RUT_LENGTH: usize = 50;

/// Reads a body as a batch, by the rules of the service this one replaces.
///
/// # Errors
/// [`Refusal`], with every invalid field of every invoice.
pub fn parse_batch(content_type: Option<&str>, body: &[u8], check: RutCheck) -> Result<Vec<Invoice>, Refusal> {
    if body.is_empty() {
        return Err(whole_body(Rule::Missing, Input::null()));
    }
    if !content_type::is_json(content_type) {
        return Err(whole_body(Rule::ListType, Input::text(&String::from_utf8_lossy(body))));
    }
    let text = json::decode(body).ok_or(Refusal::NotText)?;
    let Document { root, elements } = json::read(&text, MAX_BATCH + 1).map_err(unreadable)?;
    match root.kind() {
        Kind::List => invoices(elements, check),
        Kind::Null => Err(whole_body(Rule::Missing, Input::null())),
        _ => Err(whole_body(Rule::ListType, Input::of(root))),
    }
}

fn whole_body(rule: Rule, input: Input) -> Refusal {
    Refusal::Invalid(vec![FieldError::in_body(rule, &[], input)])
}

fn unreadable(error: json::Error) -> Refusal {
    match error {
        json::Error::Limit => Refusal::NotText,
        json::Error::Syntax { message, position } => {
            let place = [Step::Index(position)];
            Refusal::Malformed(FieldError::in_body(Rule::JsonInvalid(message), &place, Input::empty_object()))
        }
    }
}

fn invoices(nodes: Vec<Node<'_>>, check: RutCheck) -> Result<Vec<Invoice>, Refusal> {
    if nodes.len() > MAX_BATCH {
        return Err(Refusal::TooMany);
    }
    let mut invoices = Vec::with_capacity(nodes.len());
    let mut errors = Vec::new();
    for (index, node) in nodes.into_iter().enumerate() {
        invoices.extend(invoice(index, node, check, &mut errors));
    }
    if errors.is_empty() { Ok(invoices) } else { Err(Refusal::Invalid(errors)) }
}

/// Reads one invoice; what is wrong with it is added to the errors.
fn invoice(index: usize, node: Node<'_>, check: RutCheck, errors: &mut Vec<FieldError>) -> Option<Invoice> {
    if node.kind() != Kind::Object {
        let entry = FieldError::in_body(Rule::ModelAttributesType, &[Step::Index(index)], Input::of(node));
        errors.push(entry);
        return None;
    }
    let fields = Fields::of(node);
    let mut form = Form { index, node, errors, whole: None };
    let number = form.field("numero_factura", fields.number, |node| text(node, MAX_NUMBER_LENGTH));
    let rut = form.field("rut_cliente", fields.rut, |node| rut(node, check));
    let amount: Option<Decimal> = form.field("monto", fields.amount, amount::read);
    let issued_on = form.field("fecha_emision", fields.issued_on, date::read);
    Some(Invoice { number: number?, rut: rut?, amount: amount?, issued_on: issued_on? })
}

/// The four members that count; of a repeated name the last.
#[derive(Default)]
struct Fields<'t> {
    number: Option<Node<'t>>,
    rut: Option<Node<'t>>,
    amount: Option<Node<'t>>,
    issued_on: Option<Node<'t>>,
}

impl<'t> Fields<'t> {
    fn of(object: Node<'t>) -> Self {
        let mut fields = Self::default();
        for (name, value) in object.members() {
            match &*name.bytes() {
                b"numero_factura" => fields.number = Some(value),
                b"rut_cliente" => fields.rut = Some(value),
                b"monto" => fields.amount = Some(value),
                b"fecha_emision" => fields.issued_on = Some(value),
                _ => {}
            }
        }
        fields
    }
}

/// One invoice being read.
struct Form<'e, 't> {
    index: usize,
    node: Node<'t>,
    errors: &'e mut Vec<FieldError>,
    whole: Option<Input>,
}

impl<'t> Form<'_, 't> {
    fn field<T>(
        &mut self,
        name: &'static str,
        value: Option<Node<'t>>,
        read: impl FnOnce(Node<'t>) -> Result<T, Rule>,
    ) -> Option<T> {
        let (rule, input) = match value.map(|node| (node, read(node))) {
            Some((_, Ok(value))) => return Some(value),
            Some((node, Err(rule))) => (rule, Input::of(node)),
            None => (Rule::Missing, self.whole.get_or_insert_with(|| Input::of(self.node)).clone()),
        };
        self.errors.push(FieldError::in_body(rule, &[Step::Index(self.index), Step::Name(name)], input));
        None
    }
}

fn text(node: Node<'_>, most: usize) -> Result<String, Rule> {
    let text = node.text().ok_or(Rule::StringType)?;
    if !text.whole || text.value.contains('\0') {
        return Err(Rule::StringUnicode);
    }
    if text.value.len() > most && text.value.chars().nth(most).is_some() {
        return Err(Rule::StringTooLong(most));
    }
    Ok(text.value.into_owned())
}

fn rut(node: Node<'_>, check: RutCheck) -> Result<String, Rule> {
    let rut = text(node, MAX_RUT_LENGTH)?;
    match check {
        RutCheck::Strict => rut::verify(&rut).map(|()| rut),
        RutCheck::Lax => Ok(rut),
    }
}

#[cfg(test)]
mod tests;
