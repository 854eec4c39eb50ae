//! What Caudal can do on this machine, each figure beside its floor, measured alternately with it.
#![expect(clippy::print_stdout, reason = "its table is for whoever runs it")]

#[expect(dead_code, reason = "the tests use the rest")]
mod cluster;
mod cost;
mod drain;
mod idle;
mod intake;
mod latency;
mod load;
mod scaling;
mod site;
mod table;
mod wire;

use anyhow::Result;
use clap::{Parser, ValueEnum};
use serde_json::json;
use table::Row;

#[derive(Debug, Parser)]
struct Args {
    /// Measure only this; may be given several times
    #[arg(long, value_enum)]
    only: Vec<Item>,
    /// One JSON object a figure
    #[arg(long)]
    json: bool,
    /// Given by cargo.
    #[arg(long, hide = true)]
    bench: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Item {
    /// The admission script
    Script,
    /// Requests of one invoice
    Single,
    /// Requests of a hundred invoices
    Hundreds,
    /// A worker on a full queue
    Drain,
    /// A lone invoice from POST to commit
    Latency,
    /// Redis' memory
    Bytes,
    /// The roles' memory
    Idle,
    /// The controller, from a queue to replicas; needs a Kubernetes API server
    Controller,
}

impl Item {
    async fn measure(self) -> Result<Vec<Row>> {
        match self {
            Self::Script => intake::script().await,
            Self::Single => intake::single().await,
            Self::Hundreds => intake::hundreds().await,
            Self::Drain => drain::all().await,
            Self::Latency => latency::lone().await,
            Self::Bytes => intake::bytes().await,
            Self::Idle => idle::all().await,
            Self::Controller => scaling::all().await,
        }
    }
}

#[tokio::main]
async fn main() -> Result<()> {
    let args = Args::parse();
    let items = if args.only.is_empty() { Item::value_variants() } else { &args.only };
    let cores = std::thread::available_parallelism()?;
    if !args.json {
        println!("{cores} cores; each figure beside its floor, measured alternately; medians\n");
        println!("{:<52}{:>11} {:<14}{:>11}  {:<30}{:>6}  aim", "", "figure", "", "floor", "", "ratio");
    }
    for item in items {
        let before = site::load_average()?;
        for row in item.measure().await? {
            let load = (before, site::load_average()?);
            if args.json {
                println!("{}", json!({"cores": cores, "load": [load.0, load.1], "row": row.json()}));
            } else {
                println!("{row}  (load {:.1} to {:.1})", load.0, load.1);
            }
        }
    }
    Ok(())
}
