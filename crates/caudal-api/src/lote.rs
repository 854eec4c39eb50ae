//! What a client is told of its batch.

use caudal_queue::{Rejection, Status};
use uuid::Uuid;

use crate::wire::{self, Estado, Lote, Rechazada};

/// A batch's status in the words of the wire.
pub(crate) fn describe(id: Uuid, status: Status) -> Lote {
    Lote {
        id,
        estado: estado(&status),
        recibidas: status.received,
        registradas: status.recorded,
        sin_cambios: status.unchanged,
        rechazadas: status.rejections.into_iter().map(rechazada).collect(),
        recibido_en: status.received_at,
        terminado_en: status.finished_at,
    }
}

fn estado(status: &Status) -> Estado {
    let settled = status.recorded + status.unchanged + status.rejected;
    if settled >= status.received {
        return if status.rejected > 0 { Estado::ConErrores } else { Estado::Procesado };
    }
    if settled > 0 { Estado::Procesando } else { Estado::Encolado }
}

fn rechazada(rejection: Rejection) -> Rechazada {
    let Rejection { position, number, code, detail: _ } = rejection;
    Rechazada { posicion: position, numero_factura: number, motivo: wire::reason(&code) }
}

#[cfg(test)]
mod tests;
