//! `GET /clientes/{rut}`: a client's balance and invoices, from the ledger.

use std::sync::Arc;

use axum::extract::rejection::{PathRejection, QueryRejection};
use axum::extract::{Path, Query, State};
use caudal_ledger::{Client, Invoice, Ledger};
use serde::Deserialize;

use crate::answer::Answer;
use crate::callers::Caller;
use crate::room::Room;
use crate::router::Service;
use crate::wire::{self, Cliente, Factura};

const MAX_LIMIT: u32 = 1_000;

/// The page that is asked for.
#[derive(Deserialize)]
#[serde(default)]
pub(crate) struct Page {
    desde: String,
    limite: u32,
}

impl Default for Page {
    fn default() -> Self {
        Self { desde: String::new(), limite: 100 }
    }
}

/// As [`get`], for those who bear an API key.
pub(crate) async fn get_for_caller(
    _: Caller,
    State(service): State<Arc<Service>>,
    rut: Result<Path<String>, PathRejection>,
    page: Result<Query<Page>, QueryRejection>,
) -> Answer {
    look(&service.ledger, &service.room, rut, page).await
}

/// Tells operators a client's balance and a page of its invoices.
pub(crate) async fn get(
    State(ledger): State<Ledger>,
    rut: Result<Path<String>, PathRejection>,
    page: Result<Query<Page>, QueryRejection>,
) -> Answer {
    look(&ledger, &Room::boundless(), rut, page).await
}

async fn look(
    ledger: &Ledger,
    room: &Room,
    rut: Result<Path<String>, PathRejection>,
    page: Result<Query<Page>, QueryRejection>,
) -> Answer {
    let Ok(Path(rut)) = rut else { return Answer::NotFound(wire::NO_SUCH_CLIENT) };
    let page = match page {
        Ok(Query(page)) if (1..=MAX_LIMIT).contains(&page.limite) => page,
        _ => return Answer::BadQuery(wire::BAD_PAGE),
    };
    // PostgreSQL has no U+0000: no client and no invoice has one.
    if rut.contains('\0') || page.desde.contains('\0') {
        return Answer::NotFound(wire::NO_SUCH_CLIENT);
    }
    match ledger.client(&rut, &page.desde, page.limite).await {
        Ok(Some(client)) => Answer::cliente(&cliente(client), room),
        Ok(None) => Answer::NotFound(wire::NO_SUCH_CLIENT),
        Err(error) => {
            tracing::warn!(error = &error as &dyn std::error::Error, "a client could not be looked up");
            Answer::Unavailable
        }
    }
}

fn cliente(client: Client) -> Cliente {
    Cliente {
        rut: client.rut,
        saldo: client.balance.to_string(),
        facturas: client.invoices.into_iter().map(factura).collect(),
        siguiente: client.next,
    }
}

fn factura(invoice: Invoice) -> Factura {
    Factura {
        numero_factura: invoice.number,
        rut_cliente: invoice.rut,
        monto: invoice.amount.to_string(),
        fecha_emision: invoice.issued_on,
        lote: invoice.batch,
        recibido_en: invoice.received_at,
    }
}
