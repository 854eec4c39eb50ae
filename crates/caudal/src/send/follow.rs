//! `--wait`: what became of the accepted batches.

use std::time::Duration;

use super::client::Lote;
use super::deliver::Courier;
use super::report::Report;

/// How often a batch is looked at.
const POLL: Duration = Duration::from_millis(200);

/// Waits until every accepted batch is settled. They are settled about in their order, so one is looked at after the other.
pub(super) async fn all(courier: &Courier, report: &mut Report) -> anyhow::Result<()> {
    let followed = report.followed();
    for (batch, places) in followed {
        let lote = match batch {
            Some(id) => settled(courier, id, report).await?,
            None => None,
        };
        report.settled(&places, lote)?;
    }
    Ok(())
}

async fn settled(courier: &Courier, id: uuid::Uuid, report: &Report) -> anyhow::Result<Option<Lote>> {
    let mut before = None;
    courier.went_forward();
    loop {
        let reason = match courier.client.lote(id).await {
            Ok(None) => return Ok(None),
            Ok(Some(lote)) if lote.terminado_en.is_some() => return Ok(Some(lote)),
            Ok(Some(lote)) => {
                let now = lote.registradas + lote.sin_cambios + lote.rechazadas.len() as u64;
                if before.replace(now) != Some(now) {
                    courier.went_forward();
                }
                report.waiting(now);
                format!("{now} of {} invoices of batch {id} are settled", lote.recibidas)
            }
            Err(reason) => reason,
        };
        courier.pause(POLL, &reason).await?;
    }
}
